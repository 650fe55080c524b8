import { setMaxListeners } from "node:events";
import type { Outcome } from "../cache/kind.js";
import { raceAbort, sleep } from "../runtime/abort.js";
import { OverloadedError, UnavailableError } from "../transport/outcome.js";
import { createRemoteAuthService } from "./auth-service.js";
import { createCaches } from "./caches.js";
import type { AuthClient, CallOptions } from "./client.js";
import { readConfig } from "./config.js";
import { optionsFromEnv } from "./environment.js";
import { AuthError, type AuthErrorCode } from "./errors.js";
import { Events } from "./events.js";
import { isLookupId, isTenantId } from "./lookup-id.js";
import type { UserRef } from "./model.js";
import type { AuthClientOptions } from "./options.js";
import { createPipeline, networkUpstreams, statusOf, type UpstreamFactories } from "./pipeline.js";
import { PresentedToken, takingTexts } from "./presented-token.js";
import { StringLists } from "./string-lists.js";

/** `ready` looks again after this many milliseconds. */
const READY_EVERY_MS = 250;

/**
 * Makes a client. It connects when it is first needed; close it when it is no longer.
 *
 * @throws ConfigError that names every option that cannot be used
 */
export function createAuthClient(options: AuthClientOptions): AuthClient {
  return assembleAuthClient(options, networkUpstreams);
}

/** {@link createAuthClient} with upstreams of one's own making. */
export function assembleAuthClient(options: AuthClientOptions, upstreams: UpstreamFactories): AuthClient {
  const config = readConfig(options);
  const { clock, deadlineMs } = config;
  const closing = new AbortController();
  setMaxListeners(0, closing.signal); // every call under way listens
  const events = new Events(config.logger);
  const lists = new StringLists();
  const pipeline = createPipeline(config, events, upstreams);
  const service = createRemoteAuthService(pipeline.transport, { clock, deadlineMs, lists, signal: closing.signal });
  const caches = createCaches(service, config, events, lists);

  /** Runs one question and turns everything that can go wrong into an `AuthError`. */
  async function settle<P>(question: () => Promise<Outcome<P, AuthErrorCode>>, call: CallOptions): Promise<P> {
    try {
      closing.signal.throwIfAborted();
      const outcome = await question();
      if (outcome.kind === "answer") return outcome.answer;
      throw new AuthError(outcome.reason);
    } catch (error) {
      if (error instanceof AuthError) throw error;
      if (call.signal?.aborted && error === call.signal.reason) throw error; // the caller's own
      throw toAuthError(error);
    }
  }

  function toAuthError(error: unknown): AuthError {
    if (error instanceof OverloadedError) return new AuthError("overloaded", { cause: error, retryAfterMs: 1000 });
    if (error instanceof UnavailableError) {
      return new AuthError("auth_unavailable", { cause: error, retryAfterMs: error.retryAfterMs });
    }
    if (error === closing.signal.reason) return new AuthError("auth_unavailable", { cause: error });
    // A fault of our own. It says nothing about the token, and its text could hold one.
    const name = (error as Partial<Error> | null)?.name ?? typeof error;
    config.logger.error(`portero: unexpected ${name} while asking the auth service`);
    return new AuthError("auth_unavailable", { cause: new Error(`unexpected ${name}`) });
  }

  const client: AuthClient = {
    ...takingTexts({
      peek: ({ text, id }) => (closing.signal.aborted ? undefined : caches.token.peek(text, id)),
      verify: (token, call) =>
        settle(() => {
          assertToken(token);
          return caches.token.get(token.text, call, token.id);
        }, call),
    }),
    async ready(signal) {
      const ended = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
      try {
        ended.throwIfAborted();
        while (!(await raceAbort(anyOf(pipeline.legs.map((leg) => leg.connect())), ended))) {
          await sleep(clock, READY_EVERY_MS, ended);
        }
        await raceAbort(caches.ready(), ended);
      } catch (error) {
        throw closing.signal.aborted ? toAuthError(closing.signal.reason) : error;
      }
    },
    getUserPermissions(user, call = {}) {
      return settle(() => {
        assertLookup(isLookupId(user.userId) && isTenantId(user.organizationId));
        return caches.permissions.get(user, call);
      }, call);
    },
    getUserLocals(user, call = {}) {
      return settle(() => {
        assertLookup(isLookupId(user.userId) && isTenantId(user.organizationId));
        return caches.locals.get(user, call);
      }, call);
    },
    getOrganization(organizationId, call = {}) {
      return settle(() => {
        assertLookup(isLookupId(organizationId));
        return caches.organization.get(organizationId, call);
      }, call);
    },
    invalidateToken(token) {
      return settleInvalidation(() => {
        assertToken(new PresentedToken(token));
        return caches.token.invalidate(token);
      });
    },
    invalidateUser(user) {
      return settleInvalidation(() => {
        assertLookup(isUserRef(user));
        return caches.invalidateUser(user);
      });
    },
    status() {
      const [grpc, rest] = (["grpc", "rest"] as const).map((upstream) =>
        pipeline.legs.find((leg) => leg.upstream === upstream),
      );
      return {
        ...(grpc && { grpc: statusOf(grpc) }),
        ...(rest && { rest: statusOf(rest) }),
        cache: caches.status(),
        inFlight: caches.inFlight(),
        upstream: pipeline.load(),
      };
    },
    on: (event, listener) => events.on(event, listener),
    async close() {
      if (closing.signal.aborted) return;
      closing.abort(new Error("The client is closed."));
      pipeline.close();
      await caches.close();
      events.clear();
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
  return client;

  async function settleInvalidation(invalidate: () => Promise<void>): Promise<void> {
    try {
      closing.signal.throwIfAborted();
      await invalidate();
    } catch (error) {
      if (error instanceof AuthError) throw error;
      const message = "The shared cache could not be told; this process has forgotten all the same.";
      throw new AuthError(
        "auth_unavailable",
        error === closing.signal.reason ? { cause: error } : { cause: error, message },
      );
    }
  }
}

/** Whether one of them says yes; the first yes is enough. */
function anyOf(promises: readonly Promise<boolean>[]): Promise<boolean> {
  const yes = promises.map((promise) => promise.then((said) => said || Promise.reject(new Error("no"))));
  return Promise.any(yes).catch(() => false);
}

function assertToken(token: PresentedToken): void {
  if (!token.isWellFormed) throw new AuthError("invalid_request");
}

/** Of whomever a token can be: some of them cannot be asked for, and are forgotten all the same. */
function isUserRef(user: Partial<UserRef> | undefined): boolean {
  return typeof user?.userId === "string" && user.userId !== "" && typeof user.organizationId === "string";
}

function assertLookup(isPossible: boolean): void {
  if (!isPossible) throw new AuthError("lookup_refused");
}

/** Across both module formats of this package. */
const SHARED: unique symbol = Symbol.for("portero.client") as never;
const shared = globalThis as { [SHARED]?: AuthClient };

/**
 * The client of this process, made from the environment when it is first asked for.
 *
 * @throws ConfigError that names every variable that cannot be used
 */
export function getAuthClient(): AuthClient {
  const existing = shared[SHARED];
  if (existing) return existing;
  const client = createAuthClient(optionsFromEnv());
  const close = async () => {
    if (shared[SHARED] === closable) shared[SHARED] = undefined; // the next one who asks gets a new one
    await client.close();
  };
  const closable: AuthClient = { ...client, close, [Symbol.asyncDispose]: close };
  shared[SHARED] = closable;
  return closable;
}
