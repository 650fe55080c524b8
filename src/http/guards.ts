import type { AuthClient } from "../auth/auth-client.js";
import { ConfigError, type ConfigProblem, show } from "../auth/config/config-error.js";
import { SettingReader } from "../auth/config/setting-reader.js";
import { AuthError } from "../auth/errors.js";
import type { Organization, User, VerifiedToken } from "../auth/model.js";
import { onBehalfOf } from "../auth/on-behalf.js";
import { listHas } from "../auth/string-lists.js";
import { isPromise } from "../runtime/is-promise.js";
import { createSourceReader, type GuardSource, type RequestAccess } from "./guard-source.js";
import { assertNoRequest, typeOf } from "./misuse.js";

/** What a guard decides on. */
export interface GuardInput<R> {
  readonly auth: VerifiedToken;
  readonly client: AuthClient;
  readonly request: R;
}

/**
 * Lets a request through, or throws. Guards run on every request, against the user attached to it; nothing of their outcome is kept.
 * One that need not wait returns nothing, so that the request goes on in the same tick.
 */
export type Guard<R> = (input: GuardInput<R>) => undefined | Promise<undefined>;

export interface LocalGuardOptions {
  /** Ask `GetUserLocals` now instead of trusting the attached list. Default `false`. */
  fresh?: boolean;
  /** A user with this permission may act on every local. */
  orPermission?: string;
}

export interface ModuleGuardOptions {
  /** Ask `GetOrganization` now instead of trusting what is cached. Default `false`. */
  fresh?: boolean;
}

/** Names of modules, and the options last. */
export type ModuleGuardArguments = string[] | [...modules: string[], options: ModuleGuardOptions];

/** Every one of the permissions. */
export function permissionGuard<R>(permissions: readonly string[]): Guard<R> {
  assertNames("requirePermission", permissions);
  return ({ auth }) => {
    if (!permissions.every((permission) => listHas(auth.user.permissions, permission))) throw insufficient(permissions);
    return undefined;
  };
}

/** At least one of the permissions. */
export function anyPermissionGuard<R>(permissions: readonly string[]): Guard<R> {
  assertNames("requireAnyPermission", permissions);
  return ({ auth }) => {
    if (!permissions.some((permission) => listHas(auth.user.permissions, permission))) throw insufficient(permissions);
    return undefined;
  };
}

/** What the application says. Only `true` lets through: a forgotten `return` does not. */
export function userGuard<R>(predicate: (auth: VerifiedToken, request: R) => boolean | Promise<boolean>): Guard<R> {
  if (typeof predicate !== "function") {
    assertNoRequest("requireUser", predicate, "requireUser(predicate)");
    throw new ConfigError([{ name: "requireUser(predicate)", value: show(predicate), expected: "a function" }]);
  }
  return ({ auth, request }) => {
    const allowed = predicate(auth, request);
    if (isPromise(allowed)) return allowed.then(assertTrue);
    return assertTrue(allowed);
  };
}

/** Every local that the request names must be one of the user's. */
export function localGuard<R>(source: GuardSource<R>, access: RequestAccess<R>, options: LocalGuardOptions): Guard<R> {
  const read = createSourceReader("requireLocal", source, access);
  const settings = new SettingReader({}, []);
  const { fresh = false, orPermission } = settings.section("requireLocal", options, ["fresh", "orPermission"]);
  settings.optional("requireLocal.fresh", fresh, (value) => typeof value === "boolean", "true or false");
  settings.optional(
    "requireLocal.orPermission",
    orPermission,
    (name) => isName(name) && !isSeveralNames(name),
    "a name",
  );
  settings.throwIfAny();
  return ({ auth, client, request }) => {
    const named = read(request);
    if (orPermission !== undefined && listHas(auth.user.permissions, orPermission)) return undefined;
    if (!fresh) return assertAllowed(areAmong(named, auth.locals));
    const user = { userId: auth.user.id, organizationId: auth.user.organizationId };
    return client
      .getUserLocals(user, onBehalfOf(auth.user, { fresh: true }))
      .catch(refusalMeansNo)
      .then((locals) => assertAllowed(areAmong(named, locals)));
  };
}

/** Every organization that the request names must be the user's. */
export function organizationGuard<R>(source: GuardSource<R>, access: RequestAccess<R>): Guard<R> {
  const read = createSourceReader("requireOrganization", source, access);
  return ({ auth, request }) =>
    assertAllowed(read(request).every((organizationId) => organizationId === auth.user.organizationId));
}

/** The user's organization must be active and have every one of the modules. */
export function moduleGuard<R>(given: ModuleGuardArguments): Guard<R> {
  const last = given.at(-1);
  const options = typeof last === "object" && !isList(last) && given.length > 1 ? last : undefined;
  const modules = (options ? given.slice(0, -1) : given) as readonly string[];
  assertNames("requireModule", modules);
  const settings = new SettingReader({}, []);
  const { fresh = false } = settings.section("requireModule", options, ["fresh"]);
  settings.optional("requireModule.fresh", fresh, (value) => typeof value === "boolean", "true or false");
  settings.throwIfAny();
  return ({ auth, client }) =>
    client
      .getOrganization(auth.user.organizationId, onBehalfOf(auth.user, fresh ? { fresh } : undefined))
      .catch(refusalMeansNo)
      .then((organization: Organization) =>
        assertAllowed(organization.isActive && modules.every((module) => listHas(organization.modules, module))),
      );
}

function areAmong(named: readonly string[], locals: VerifiedToken["locals"]): boolean {
  return named.every((local) => listHas(locals, local));
}

function assertAllowed(allowed: boolean): undefined {
  if (allowed !== true) throw new AuthError("insufficient_scope");
  return undefined;
}

/**
 * The answer of the application. `undefined`, as of a function that finds nothing, means no.
 *
 * @throws TypeError for anything else that is like `true`: its author thinks that it lets through
 */
function assertTrue(allowed: unknown): undefined {
  if (allowed && allowed !== true)
    throw new TypeError(`requireUser(predicate) must return true or false, or a promise of it, got ${typeOf(allowed)}`);
  return assertAllowed(allowed === true);
}

function insufficient(permissions: User["permissions"]): AuthError {
  return new AuthError("insufficient_scope", { permissions });
}

/** The service knows no such user or organization: then the user has no right that hangs on it. */
function refusalMeansNo(error: unknown): never {
  if (error instanceof AuthError && error.code === "lookup_refused")
    throw new AuthError("insufficient_scope", { cause: error });
  throw error;
}

/** A guard of no names would let every request through. */
function assertNames(guard: string, names: readonly unknown[]): void {
  const joined = names.find(isSeveralNames);
  if (joined !== undefined) throw new ConfigError([severalNames(guard, joined)]);
  if (names.length > 0 && names.every(isName)) return;
  assertNoRequest(guard, names[0], `${guard}("…")`);
  const wrong = names.find((name) => !isName(name));
  const problem = { name: guard, value: show(wrong), expected: "one or more names" };
  throw new ConfigError([isList(wrong) ? { ...problem, message: `spread it: ${guard}(...names)` } : problem]);
}

/** A name may hold any sign, as the service pleases; a list of `products:read` and the like is none. */
function isSeveralNames(name: unknown): name is string {
  const parts = typeof name === "string" ? partsOf(name) : [];
  return parts.length > 1 && parts.every((part) => /^[\w-]+(:[\w*.-]+)+$/.test(part));
}

function partsOf(name: string): readonly string[] {
  return name.trim().split(/[\s,]+/);
}

function severalNames(guard: string, joined: string): ConfigProblem {
  const names = partsOf(joined).map((part) => JSON.stringify(part));
  const expected = "one name in each argument";
  return {
    name: guard,
    value: show(joined),
    expected,
    message: `write ${names.length} names: ${guard}(${names.join(", ")})`,
  };
}

/** An array, a Set …: names in one argument. */
function isList(value: unknown): boolean {
  return typeof value === "object" && value !== null && Symbol.iterator in value;
}

function isName(value: unknown): boolean {
  return typeof value === "string" && value.trim() !== "";
}
