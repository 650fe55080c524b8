import type { AuthClient, CallOptions } from "../auth/auth-client.js";
import { DEFAULT_TRAITS, setTraits } from "../auth/client-traits.js";
import { AuthError, type AuthErrorCode, assertCode } from "../auth/errors.js";
import { assertListener } from "../auth/events.js";
import { organizationToAsk, organizationToForget, userToAsk, userToForget } from "../auth/lookup-id.js";
import type { UserRef, VerifiedToken } from "../auth/model.js";
import { readReadyOptions } from "../auth/readiness.js";
import { RequestCounts } from "../auth/request-counts.js";
import { unknownTokenGate } from "../auth/unknown-token.js";
import { systemClock } from "../runtime/clock.js";
import { Directory } from "./directory.js";
import type { DirectoryOptions, TestOrganization, TestUser } from "./directory-options.js";
import { StubListeners } from "./stub-listeners.js";
import { stubStatus } from "./stub-status.js";

/** As a client has it by default. */
const GATE = { clock: systemClock, deadlineMs: 3000, logger: console, signal: new AbortController().signal };

/** An `AuthClient` without a network, told what to answer. */
export interface StubAuthClient extends AuthClient {
  /** Makes the token good. */
  allow(token: string, user: TestUser): void;
  /** Makes the token bad. */
  refuse(token: string): void;
  setOrganization(id: string, organization: TestOrganization): void;
  /**
   * From now on every call rejects with this code; default `auth_unavailable`. Without cached users, as after a restart.
   *
   * @throws TypeError for a code that is none
   */
  fail(code?: AuthErrorCode): void;
  /** Ends {@link fail}. */
  recover(): void;
}

/**
 * A client for tests that want no server: good tokens are good, all others are refused, nothing is cached. `onUnknown` is called for
 * tokens that were not good before.
 *
 * @example
 * const client = stubAuthClient({ users: { "token-ana": { id: "ana", locals: ["madrid"] } } });
 * app.use(requireAuth({ client }));
 * @throws ConfigError for a user or an organization that cannot be one; `allow` and `setOrganization` too
 */
export function stubAuthClient(options: DirectoryOptions = {}): StubAuthClient {
  const directory = new Directory(options);
  /** Tokens that were good once. */
  const known = new Set<string>();
  const listeners = new StubListeners();
  let failure: AuthErrorCode | undefined;
  let isReady = false;

  /** Resolves as the real client does: later, and never when the caller has given up. */
  async function answer<T>(find: () => T | AuthErrorCode, call: CallOptions = {}): Promise<T> {
    await undefined;
    call.signal?.throwIfAborted();
    const found = failure ?? find();
    if (typeof found === "string") throw new AuthError(found as AuthErrorCode);
    return found as T;
  }

  const verified = (token: string): VerifiedToken | AuthErrorCode => {
    const user = directory.byToken(token);
    if (!user) return "invalid_token";
    if (!user.isActive) return "inactive_user";
    const { id, organizationId, email } = user;
    const permissions = Object.freeze([...user.permissions]);
    const locals = Object.freeze([...user.locals]);
    const auth = Object.freeze({
      user: Object.freeze({ id, organizationId, email, permissions }),
      locals,
      source: "grpc" as const,
    });
    listeners.made(auth, token);
    return auth;
  };
  const found = ({ userId, organizationId }: UserRef) => directory.byId(userId, organizationId);
  const requests = new RequestCounts();

  const client: StubAuthClient = {
    allow: (token, user) => directory.setUser(token, user),
    refuse(token) {
      directory.removeUser(token);
      listeners.invalidated((of) => of.token === token);
    },
    setOrganization: (id, organization) => directory.setOrganization(id, organization),
    fail(code = "auth_unavailable") {
      assertCode(code);
      failure = code;
    },
    recover() {
      failure = undefined;
    },
    async verifyToken(token, call) {
      if (call?.onUnknown && !known.has(token)) await unknownTokenGate(token, call.onUnknown, GATE)();
      const answered = await answer(() => verified(token), call);
      known.add(token);
      return answered;
    },
    peekToken: () => undefined,
    async ready(given) {
      const { signal } = readReadyOptions(given);
      await answer(() => undefined, signal && { signal });
      isReady = true;
    },
    getUserPermissions: (user, call) =>
      answer(() => freeze(found(userToAsk("getUserPermissions", user, false))?.permissions), call),
    getUserLocals: (user, call) => answer(() => freeze(found(userToAsk("getUserLocals", user, false))?.locals), call),
    getOrganization: (organizationId, call) =>
      answer(() => {
        const organization = directory.organization(organizationToAsk(organizationId));
        return organization
          ? Object.freeze({ ...organization, modules: Object.freeze([...organization.modules]) })
          : ("lookup_refused" as const);
      }, call),
    invalidateToken: (token) => {
      listeners.invalidated((of) => of.token === token);
      return answer(() => undefined);
    },
    async invalidateUser(given) {
      const { userId, organizationId } = userToForget(given);
      listeners.invalidated(({ user }) => user.id === userId && user.organizationId === organizationId);
      return answer(() => undefined);
    },
    onInvalidated: (auth, listener) => listeners.add(auth, listener),
    async invalidateOrganization(organizationId) {
      organizationToForget(organizationId);
      await answer(() => undefined);
    },
    async diagnose(given = {}) {
      given.signal?.throwIfAborted();
      const [status, message] =
        failure === undefined ? (["ok", "a stub"] as const) : (["failed", `a stub that fails: ${failure}`] as const);
      return { status, checks: [{ id: "grpc.verify_token", status, message }], durationMs: 0 };
    },
    health() {
      const health = failure === undefined ? "ok" : "down";
      return { status: health, ready: isReady, grpc: health };
    },
    status: () => stubStatus(requests),
    on(event, listener) {
      assertListener(event, listener);
      return () => undefined;
    },
    async close() {
      failure = "auth_unavailable";
      isReady = false;
      for (const listener of closeListeners) listener();
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
  const closeListeners = new Set<() => void>();
  const ofOtel = { closeListeners, instrumentedWith: new Set<object>() };
  setTraits(client, { ...DEFAULT_TRAITS, ...ofOtel, requests, mayBeVoid: (auth) => listeners.mayBeVoid(auth) });
  return client;
}

function freeze(list: readonly string[] | undefined): readonly string[] | AuthErrorCode {
  return list ? Object.freeze([...list]) : "lookup_refused";
}
