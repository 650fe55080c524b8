import { setMaxListeners } from "node:events";
import type { Outcome } from "../cache/spec.js";
import { raceAbort, sleep } from "../runtime/abort.js";
import { errorName } from "../runtime/error-name.js";
import { tolerant } from "../runtime/logger.js";
import { OverloadedError, UnavailableError } from "../transport/outcome.js";
import { fitsTenantHeader } from "../transport/rest-request.js";
import type { AuthClient, CallOptions } from "./auth-client.js";
import { createCaches } from "./caches.js";
import { setTraits } from "./client-traits.js";
import { readConfig } from "./config/config.js";
import { optionsFromEnv } from "./config/environment.js";
import type { AuthClientOptions } from "./config/options.js";
import { AuthError, type AuthErrorCode } from "./errors.js";
import { Events } from "./events.js";
import { isLookupId, isOrganizationOfUser } from "./lookup-id.js";
import { MassRefusals } from "./mass-refusals.js";
import type { UserRef } from "./model.js";
import { createPipeline, networkUpstreams, statusOf, type UpstreamFactories } from "./pipeline.js";
import { createRemoteAuthService } from "./service-calls.js";
import { StringLists } from "./string-lists.js";
import { createTokenSyntax, Token } from "./token.js";
import { withTextApi } from "./token-api.js";

/** `ready` waits so many milliseconds for a connection … */
const CONNECT_MS = 1000;
/** … and looks again after this many. */
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
  const read = readConfig(options);
  const config = { ...read, logger: tolerant(read.logger) };
  const { clock, deadlineMs } = config;
  if (config.warning !== undefined) config.logger.warn(config.warning);
  const isToken = createTokenSyntax(config.tokenSyntax, config.maxTokenBytes);
  const closing = new AbortController();
  setMaxListeners(0, closing.signal); // every call under way listens
  const events = new Events(config.logger);
  const lists = new StringLists();
  const pipeline = createPipeline(config, events, upstreams);
  const service = createRemoteAuthService(pipeline.transport, { clock, deadlineMs, lists, signal: closing.signal });
  const refusals = new MassRefusals({ clock, logger: config.logger, events });
  const caches = createCaches(service, { config, events, lists, refusals });

  /** Runs one question and turns everything that can go wrong into an `AuthError`. */
  async function settle<P>(
    question: (call: CallOptions) => Promise<Outcome<P, AuthErrorCode>>,
    given: CallOptions | undefined,
  ): Promise<P> {
    const call = given ?? {};
    try {
      closing.signal.throwIfAborted();
      const outcome = await question(call);
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
    const name = errorName(error);
    config.logger.error(`portero: unexpected ${name} while asking the auth service`);
    return new AuthError("auth_unavailable", { cause: new Error(`unexpected ${name}`) });
  }

  function assertToken(token: Token): void {
    if (!token.fits(isToken)) throw new AuthError("invalid_request");
  }

  /** A user who can be asked for: over REST, the organization must fit a header. */
  function lookedUp(user: UserRef): UserRef {
    const ref = copyOf(user);
    assertLookup(isLookupId(ref.userId) && isOrganizationOfUser(ref.organizationId));
    assertLookup(config.grpc !== undefined || fitsTenantHeader(ref.organizationId));
    return ref;
  }

  /** Whether an upstream can be connected to; no answer in time is a no, for now. */
  async function canConnect(ended: AbortSignal): Promise<boolean> {
    const over = new AbortController();
    const late = sleep(clock, CONNECT_MS, AbortSignal.any([ended, over.signal])).then(() => false);
    try {
      return await Promise.race([anyOf(pipeline.upstreams.map((upstream) => upstream.connect())), late]);
    } finally {
      over.abort();
    }
  }

  let closed: Promise<void> | undefined;

  async function end(): Promise<void> {
    closing.abort(new Error("The client is closed."));
    pipeline.close();
    await caches.close();
    events.clear();
  }

  const client: AuthClient = {
    ...withTextApi({
      peek: (token) => {
        if (closing.signal.aborted || typeof token.text !== "string") return undefined;
        return caches.token.peek(token.text, token.id);
      },
      verify: (token, call) =>
        settle((options) => {
          // Whatever is known has been looked at before: only a new one need be.
          const isKnown = !options.fresh && typeof token.text === "string" && caches.token.holds(token.id);
          if (!isKnown) assertToken(token);
          return caches.token.get(token.text, options, token.id);
        }, call),
    }),
    async ready(signal) {
      const ended = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
      try {
        ended.throwIfAborted();
        while (!(await canConnect(ended))) await sleep(clock, READY_EVERY_MS, ended);
        await raceAbort(caches.ready(), ended);
      } catch (error) {
        throw closing.signal.aborted ? toAuthError(closing.signal.reason) : error;
      }
    },
    getUserPermissions(user, call) {
      return settle((options) => caches.permissions.get(lookedUp(user), options), call);
    },
    getUserLocals(user, call) {
      return settle((options) => caches.locals.get(lookedUp(user), options), call);
    },
    getOrganization(organizationId, call) {
      return settle((options) => {
        assertLookup(isLookupId(organizationId));
        return caches.organization.get(organizationId, options);
      }, call);
    },
    invalidateToken(token) {
      return settleInvalidation(() => {
        assertToken(new Token(token));
        return caches.token.invalidate(token);
      });
    },
    invalidateUser(user) {
      return settleInvalidation(() => {
        const ref = copyOf(user);
        assertLookup(isUserRef(ref));
        return caches.invalidateUser(ref);
      });
    },
    invalidateOrganization(organizationId) {
      return settleInvalidation(() => {
        assertLookup(typeof organizationId === "string" && organizationId !== "");
        return caches.invalidateOrganization(organizationId);
      });
    },
    status() {
      return {
        ...Object.fromEntries(
          pipeline.upstreams.map((each) => [
            each.upstream,
            { ...statusOf(each), refusals: refusals.countOf(each.upstream) },
          ]),
        ),
        cache: caches.status(),
        inFlight: caches.inFlight(),
        upstream: pipeline.load(),
      };
    },
    on: (event, listener) => events.on(event, listener),
    close() {
      closed ??= end();
      return closed;
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
  const traits = { isToken, logger: config.logger, clock, deadlineMs, invalidations: 0 };
  setTraits(client, traits);
  return client;

  async function settleInvalidation(invalidate: () => Promise<void>): Promise<void> {
    traits.invalidations++;
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

/** Read once: whoever changes the object while a question is under way does not change what is asked, checked or remembered. */
function copyOf(user: UserRef | undefined): UserRef {
  const { userId, organizationId } = user ?? ({} as UserRef);
  return { userId, organizationId };
}

/** Of whomever a token can be: some of them cannot be asked for, and are forgotten all the same. */
function isUserRef({ userId, organizationId }: UserRef): boolean {
  return typeof userId === "string" && userId !== "" && typeof organizationId === "string";
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
