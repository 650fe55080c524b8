import type { AuthClientHealth } from "./client-health.js";
import type { AuthClientStatus } from "./client-status.js";
import type { AuthClientDiagnosis, DiagnoseOptions } from "./diagnosis/diagnosis.js";
import type { AuthClientEvents } from "./events.js";
import type { InvalidationReason } from "./invalidation-listeners.js";
import type { Organization, UserRef, VerifiedToken } from "./model.js";
import type { ReadyOptions } from "./readiness.js";
import type { OnUnknownToken } from "./unknown-token.js";

/** How one question is asked. */
export interface CallOptions {
  /** Ends this call, with the signal's reason; other calls that wait for the same answer go on. */
  signal?: AbortSignal;
  /** Ask the service now, skip the caches. */
  fresh?: boolean;
}

/** How a token is verified. */
export interface VerifyOptions extends CallOptions {
  /**
   * Called before the service is asked about a token that is not known: no entry for it in this process nor, without `fresh`, in the shared
   * cache, no remembered refusal of it and no question about it under way. May turn the token away, as `overloaded` or `invalid_token`: that
   * is not remembered, and holds for this caller alone. All else that it throws, returns or rejects with is `auth_unavailable`; so is a
   * promise that takes longer than `deadlineMs`, from which its time is taken.
   */
  onUnknown?: OnUnknownToken;
}

/**
 * Asks the auth service about tokens, users and organizations, and caches its answers. Every method rejects with an `AuthError`, or with
 * the reason of the signal that ended it; with a `TypeError` that says what to write where it was given something else than it takes, as
 * a `User` in the place of a `UserRef`.
 */
export interface AuthClient {
  /**
   * Verifies a token: resolves to its user, and to the locals that the user may act on.
   *
   * Rejects with `invalid_token`, `inactive_user`, `invalid_request` (no token by `tokenSyntax`, or longer than `maxTokenBytes`),
   * `auth_unavailable` or `overloaded`.
   */
  verifyToken(token: string, call?: VerifyOptions): Promise<VerifiedToken>;
  /** The answer about the token that this process has cached, at once; `undefined` says nothing about the token. */
  peekToken(token: string): VerifiedToken | undefined;
  /**
   * Resolves when an upstream can be connected to, or with `ask` answers, and the shared cache has been tried once; tries until then, or
   * until the signal aborts. Where that is one of `AbortSignal.timeout`, it rejects with a `TimeoutError` that names the upstreams and what
   * is wrong with each. An option that does not exist is a `TypeError`.
   */
  ready(options?: AbortSignal | ReadyOptions): Promise<void>;
  /**
   * The user's permissions. Rejects with `lookup_refused`, `auth_unavailable` or `overloaded`. An empty organization is none; one that
   * does not fit a header is asked for over gRPC, and is `lookup_refused` where there is REST alone.
   */
  getUserPermissions(user: UserRef, call?: CallOptions): Promise<readonly string[]>;
  /**
   * The ids of the locals that the user may act on, asked for in the same way. Rejects with `lookup_refused`, `auth_unavailable` or
   * `overloaded`.
   */
  getUserLocals(user: UserRef, call?: CallOptions): Promise<readonly string[]>;
  /** An organization's own data. Rejects with `lookup_refused`, `auth_unavailable` or `overloaded`. */
  getOrganization(organizationId: string, call?: CallOptions): Promise<Organization>;
  /**
   * Forgets the token here and in the shared cache; the next request asks the service. A JWT is forgotten in every spelling of its
   * signature, too, by the processes that run. Other processes on the same Redis forget it within milliseconds; without the log by which
   * they are told (`status().cache.log`) they may remember it for `cache.processTtlMs` more. Rejects with `auth_unavailable` when the
   * shared cache or the others could not be told: this process has forgotten the token all the same. Rejects with `invalid_request` where
   * the text is no token.
   */
  invalidateToken(token: string): Promise<void>;
  /**
   * Forgets every token, the locals and the permissions of a user, as {@link invalidateToken} does for one token. Rejects with
   * `lookup_refused` where the reference names no user.
   */
  invalidateUser(user: UserRef): Promise<void>;
  /**
   * Forgets an organization's own data, which `requireModule` reads, as {@link invalidateToken} does a token; the tokens of its users
   * stay. Rejects with `lookup_refused` where the text is no id.
   */
  invalidateOrganization(organizationId: string): Promise<void>;
  /**
   * Whether this process can ask and remember, in one word, by the calls of the last minute: it asks nothing. Not for liveness: a restart
   * mends no auth service, and empties the cache that requests live on.
   */
  health(): AuthClientHealth;
  /**
   * Tells a connection that lives for long – a WebSocket, an event stream – that what it was let in with is to be looked at again: the token
   * or its user was invalidated, here or on another process that shares the log of invalidations, or refused by the service (`invalidated`),
   * its `exp` came (`expired`), or an invalidation may have been missed (`gap`, of which each connection is told at some moment within 3 s).
   * Verify the token again then, and listen anew where it is still good. While the log is not live nothing is heard of other processes:
   * verify now and then in any case.
   *
   * Calls the listener once at most, never before it returns, until the returned function is called or the client is closed.
   *
   * @param auth as `verifyToken`, `getAuth` or `authenticate` gave it; no copy of it
   * @throws TypeError for anything else
   */
  onInvalidated(auth: VerifiedToken, listener: (reason: InvalidationReason) => void): () => void;
  /**
   * Looks at everything that the client is made of, and says what is wrong and what to write instead: settings, names, connections, TLS,
   * the operations of each upstream, the rights and the state of Redis; with a token, whether gRPC and REST say the same of its user.
   * What is wrong is a check that failed, and no rejection: it rejects with the signal's reason, after `close()`, and with a
   * `TypeError` for options that are none.
   *
   * It asks past breakers and caches, and changes neither; in Redis it writes keys of its own, and deletes them. Whatever is silent, it has an
   * end: within 1 s for a name, 1 s for a connection and twice `timeoutMs` of the slower upstream; of Redis within 8 s.
   */
  diagnose(options?: DiagnoseOptions): Promise<AuthClientDiagnosis>;
  /** The state of upstreams, caches and calls, as plain data. */
  status(): AuthClientStatus;
  /**
   * Calls the listener on every such event, until the returned function is called.
   *
   * @throws TypeError where there is no such event
   */
  on<E extends keyof AuthClientEvents>(event: E, listener: (details: AuthClientEvents[E]) => void): () => void;
  /** Ends every call under way and closes every connection. Afterwards every call rejects. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
