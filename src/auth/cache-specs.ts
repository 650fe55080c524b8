import { compoundId } from "../cache/keyring.js";
import type { CacheSpec } from "../cache/spec.js";
import type { CacheConfig } from "./config/cache.js";
import { readJwt } from "./jwt.js";
import type { Organization, UserRef, VerifiedToken } from "./model.js";
import { markOrigin } from "./origins.js";
import type { LookupRefusal, RemoteAuthService, TokenAnswer, TokenRefusal } from "./service-calls.js";
import { bytesOfTexts, isStrings, packed, type StringLists } from "./string-lists.js";
import { tokenId } from "./token.js";

/** How each of the four answers is cached. */
export interface CacheSpecs {
  readonly token: CacheSpec<string, TokenAnswer, VerifiedToken, TokenRefusal>;
  readonly locals: CacheSpec<UserRef, readonly string[], readonly string[], LookupRefusal>;
  readonly permissions: CacheSpec<UserRef, readonly string[], readonly string[], LookupRefusal>;
  readonly organization: CacheSpec<string, Organization, Organization, LookupRefusal>;
}

/** The id of a user among all that can be invalidated. */
export function subjectOf({ userId, organizationId }: UserRef): string {
  return compoundId(organizationId, userId);
}

export function createCacheSpecs(service: RemoteAuthService, config: CacheConfig, lists: StringLists): CacheSpecs {
  return {
    token: {
      name: "token",
      ttlMs: config.ttlMs,
      refusalTtlMs: config.refusalTtlMs,
      id: tokenId,
      hasDigestIds: true,
      hasManyPerSubject: true,
      isTold: true,
      isKnownByEntry: true,
      ask: service.verifyToken,
      present({ user, locals }, source, hardExpiry, origin) {
        const ends = Number.isFinite(hardExpiry);
        const auth = ends ? { user, locals, expiresAt: hardExpiry, source } : { user, locals, source };
        return Object.freeze(markOrigin(auth, origin));
      },
      read: readJwt,
      about: "user",
      subjectOf: (_token, { user }) => subjectOf({ userId: user.id, organizationId: user.organizationId }),
      encode: ({ user, locals }) => ({ user: { ...user, permissions: packed(user.permissions) }, locals }),
      decode: (stored) => decodeToken(stored, lists),
      bytesOf: ({ user, locals }) =>
        bytesOfTexts([user.id, user.organizationId, user.email]) +
        bytesOfTexts(user.permissions) +
        bytesOfTexts(locals),
    },
    locals: userListSpec("locals", config.localsTtlMs, service.getUserLocals, {
      encode: (locals) => locals,
      decode: (stored) => (isStrings(stored) ? lists.ofInterned(stored) : undefined),
    }),
    permissions: userListSpec("permissions", config.permissionsTtlMs, service.getUserPermissions, {
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
      about: "organization",
      subjectOf: (organizationId) => organizationId,
      encode: (value) => ({ ...value, modules: packed(value.modules) }),
      decode: (stored) => decodeOrganization(stored, lists),
      bytesOf: ({ id, name, plan, modules }) => bytesOfTexts([id, name, plan]) + bytesOfTexts(modules),
    },
  };
}

function userListSpec(
  name: string,
  ttlMs: number,
  ask: CacheSpecs["locals"]["ask"],
  form: Pick<CacheSpecs["locals"], "encode" | "decode">,
): CacheSpecs["locals"] {
  return {
    name,
    ttlMs,
    refusalTtlMs: 0,
    id: ({ userId, organizationId }) => compoundId(organizationId, userId),
    ask,
    present: (value) => value,
    about: "user",
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
