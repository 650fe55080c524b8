import { compoundId, tokenId } from "../cache/keyring.js";
import type { Kind } from "../cache/kind.js";
import type { LookupRefusal, RemoteAuthService, TokenAnswer, TokenRefusal } from "./auth-service.js";
import type { CacheConfig } from "./cache-config.js";
import { jwtExpiry } from "./jwt-expiry.js";
import type { Organization, UserRef, VerifiedToken } from "./model.js";
import { bytesOfTexts, isStrings, packed, type StringLists } from "./string-lists.js";

/** How each of the four answers is cached. */
export interface CacheKinds {
  readonly token: Kind<string, TokenAnswer, VerifiedToken, TokenRefusal>;
  readonly locals: Kind<UserRef, readonly string[], readonly string[], LookupRefusal>;
  readonly permissions: Kind<UserRef, readonly string[], readonly string[], LookupRefusal>;
  readonly organization: Kind<string, Organization, Organization, LookupRefusal>;
}

/** How users are named when they are invalidated. */
export function subjectOf({ userId, organizationId }: UserRef): string {
  return compoundId(organizationId, userId);
}

export function createCacheKinds(service: RemoteAuthService, config: CacheConfig, lists: StringLists): CacheKinds {
  return {
    token: {
      name: "token",
      ttlMs: config.ttlMs,
      refusalTtlMs: config.refusalTtlMs,
      id: tokenId,
      hasDigestIds: true,
      ask: service.verifyToken,
      present: ({ user, locals }, source, end) =>
        Object.freeze(Number.isFinite(end) ? { user, locals, expiresAt: end, source } : { user, locals, source }),
      endOf: jwtExpiry,
      subjectOf: (_token, { user }) => subjectOf({ userId: user.id, organizationId: user.organizationId }),
      encode: ({ user, locals }) => ({ user: { ...user, permissions: packed(user.permissions) }, locals }),
      decode: (stored) => decodeToken(stored, lists),
      bytesOf: ({ user, locals }) =>
        bytesOfTexts([user.id, user.organizationId, user.email]) +
        bytesOfTexts(user.permissions) +
        bytesOfTexts(locals),
    },
    locals: userListKind("locals", config.localsTtlMs, service.getUserLocals, {
      encode: (locals) => locals,
      decode: (stored) => (isStrings(stored) ? lists.ofInterned(stored) : undefined),
    }),
    permissions: userListKind("permissions", config.permissionsTtlMs, service.getUserPermissions, {
      encode: packed,
      decode: (stored) => lists.unpack(stored),
    }),
    organization: {
      name: "organization",
      ttlMs: config.organizationTtlMs,
      refusalTtlMs: 0,
      id: (organizationId) => organizationId,
      ask: service.getOrganization,
      present: (value) => value,
      encode: (value) => ({ ...value, modules: packed(value.modules) }),
      decode: (stored) => decodeOrganization(stored, lists),
      bytesOf: ({ id, name, plan, modules }) => bytesOfTexts([id, name, plan]) + bytesOfTexts(modules),
    },
  };
}

function userListKind(
  name: string,
  ttlMs: number,
  ask: CacheKinds["locals"]["ask"],
  form: Pick<CacheKinds["locals"], "encode" | "decode">,
): CacheKinds["locals"] {
  return {
    name,
    ttlMs,
    refusalTtlMs: 0,
    id: ({ userId, organizationId }) => compoundId(organizationId, userId),
    ask,
    present: (value) => value,
    subjectOf,
    ...form,
    bytesOf: bytesOfTexts,
  };
}

function decodeToken(stored: unknown, lists: StringLists): TokenAnswer | undefined {
  const { user, locals } = fieldsOf(stored);
  const { id, organizationId, email, permissions: packedPermissions } = fieldsOf(user);
  if (!isText(id) || id === "" || !isText(organizationId) || !isText(email)) return undefined;
  const permissions = lists.unpack(packedPermissions);
  if (!permissions || !isStrings(locals)) return undefined;
  return {
    user: Object.freeze({ id, organizationId, email, permissions }),
    locals: lists.ofInterned(locals),
  };
}

function decodeOrganization(stored: unknown, lists: StringLists): Organization | undefined {
  const { id, name, plan, isActive, modules } = fieldsOf(stored);
  if (!isText(id) || id === "" || !isText(name) || !isText(plan)) return undefined;
  const list = lists.unpack(modules);
  if (typeof isActive !== "boolean" || !list) return undefined;
  return Object.freeze({ id, name, plan, isActive, modules: list });
}

function fieldsOf(stored: unknown): Readonly<Record<string, unknown>> {
  return typeof stored === "object" && stored !== null ? (stored as Record<string, unknown>) : {};
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
