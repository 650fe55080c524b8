import { setMaxListeners } from "node:events";
import type { Outcome } from "../cache/spec.js";
import { errorName } from "../runtime/error-name.js";
import { tolerant } from "../runtime/logger.js";
import { untraced } from "../runtime/untraced.js";
import { OverloadedError, UnavailableError } from "../transport/outcome.js";
import type { AuthClient, CallOptions, VerifyOptions } from "./auth-client.js";
import { type CacheSurroundings, createCaches } from "./caches.js";
import { healthOf } from "./client-health.js";
import { upstreamStatus } from "./client-status.js";
import { setTraits } from "./client-traits.js";
import { readConfig } from "./config/config.js";
import type { AuthClientOptions } from "./config/options.js";
import { diagnose } from "./diagnosis/diagnose.js";
import { AuthError, type AuthErrorCode } from "./errors.js";
import { Events } from "./events.js";
import { organizationToAsk, organizationToForget, userToAsk, userToForget } from "./lookup-id.js";
import { malformedToken } from "./malformed-token.js";
import { MassRefusals } from "./mass-refusals.js";
import { withAsker } from "./on-behalf.js";
import { createPipeline, networkUpstreams, type UpstreamFactories } from "./pipeline.js";
import { type AnswerListener, questionChannel } from "./question-channel.js";
import { becomeReady, readReadyOptions } from "./readiness.js";
import { RecentTokens } from "./recent-tokens.js";
import { RequestCounts } from "./request-counts.js";
import { createRemoteAuthService } from "./service-calls.js";
import { StringLists } from "./string-lists.js";
import { createTokenSyntax, Token } from "./token.js";
import { withTextApi } from "./token-api.js";
import { createTokenDigest } from "./token-digest.js";
import { unknownTokenGate } from "./unknown-token.js";
import { UsageError } from "./usage-error.js";

/**
 * Makes a client. It connects when it is first needed; close it when it is no longer.
 *
 * @throws ConfigError that names every option that cannot be used
 */
export function createAuthClient(options: AuthClientOptions): AuthClient {
  return assembleAuthClient(options, networkUpstreams);
}

/**
 * {@link createAuthClient} with other upstreams than the network's, as simulations and tests have them.
 */
export function assembleAuthClient(
  options: AuthClientOptions,
  upstreams: UpstreamFactories,
  surroundings?: CacheSurroundings,
): AuthClient {
  const read = readConfig(options);
  const config = { ...read, logger: tolerant(read.logger) };
  const { clock, deadlineMs } = config;
  const restOnly = config.grpc === undefined;
  if (config.risks.length > 0) config.logger.warn(`portero: ${config.risks.join("; also, ")}`);
  const isToken = createTokenSyntax(config.tokenSyntax, config.maxTokenBytes);
  const closing = new AbortController();
  setMaxListeners(0, closing.signal); // every call under way listens
  const channelKey = Object.freeze({});
  const events = new Events(config.logger, channelKey);
  const requests = new RequestCounts();
  const answerListeners = new Set<AnswerListener>();
  const closeListeners = new Set<() => void>();
  const lists = new StringLists();
  const pipeline = createPipeline(config, events, channelKey, upstreams);
  const service = createRemoteAuthService(pipeline.transport, { clock, deadlineMs, lists, signal: closing.signal });
  const refusals = new MassRefusals({ clock, logger: config.logger, events });
  const watch = questionChannel({
    client: channelKey,
    clock,
    listeners: answerListeners,
    signal: closing.signal,
  });
  const caches = createCaches(service, { config, events, lists, refusals, watch, surroundings });
  const recent = new RecentTokens({ maxBytes: config.cache.recentBytes, clock });

  const gateOptions = { clock, deadlineMs, logger: config.logger, signal: closing.signal };

  /** Asks one question. What goes wrong becomes an `AuthError`, but for the reason of the caller's own abort. */
  async function ask<P>(
    question: (call: CallOptions) => Promise<Outcome<P, AuthErrorCode>>,
    given: CallOptions | undefined,
  ): Promise<P> {
    const call = given ?? {};
    try {
      closing.signal.throwIfAborted();
      const outcome = await question(call);
      if (outcome.kind === "answer") return outcome.answer;
      throw untraced(() => new AuthError(outcome.reason));
    } catch (error) {
      if (error instanceof AuthError || error instanceof UsageError) throw error;
      if (call.signal?.aborted && error === call.signal.reason) throw error;
      throw toAuthError(error);
    }
  }

  function toAuthError(error: unknown): AuthError {
    if (error instanceof OverloadedError || error instanceof UnavailableError) {
      const code = error instanceof OverloadedError ? "overloaded" : "auth_unavailable";
      return untraced(() => new AuthError(code, { cause: error, retryAfterMs: error.retryAfterMs }));
    }
    if (error === closing.signal.reason) return new AuthError("auth_unavailable", { cause: error });
    // A fault of our own. It says nothing about the token, and its text could hold one.
    const name = errorName(error);
    config.logger.error(`portero: unexpected ${name} while asking the auth service`);
    return new AuthError("auth_unavailable", { cause: new Error(`unexpected ${name}`) });
  }

  function assertToken(token: Token): void {
    if (!token.fits(isToken)) throw malformedToken(token.text);
  }

  let isClosed = false; // beside the signal, whose getter is dear on each hit
  let isReady = false;
  let closed: Promise<void> | undefined;

  async function close(): Promise<void> {
    isClosed = true;
    closing.abort(new Error("The client is closed."));
    recent.clear();
    pipeline.close();
    await caches.close();
    events.clear();
    for (const listener of closeListeners) listener();
  }

  const client: AuthClient = {
    ...withTextApi({
      recent,
      peek: (token) => {
        if (isClosed || typeof token.text !== "string") return undefined;
        return caches.token.peek(token.text, token.id);
      },
      verify: (token, call) =>
        ask((options) => {
          // What the cache holds was checked when it came: only another text need be.
          const isKnown = !options.fresh && typeof token.text === "string" && caches.token.holds(token.id);
          if (!isKnown) assertToken(token);
          const { onUnknown } = options as VerifyOptions;
          const gate = onUnknown && unknownTokenGate(token.text, onUnknown, gateOptions);
          return caches.token.get(token.text, { ...options, ...(gate && { gate }) }, token.id);
        }, call),
    }),
    async ready(given) {
      const { signal, ask: asks = false } = readReadyOptions(given);
      const ended = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
      try {
        await becomeReady({ upstreams: pipeline.upstreams, ask: asks, cache: caches, clock }, ended);
        isReady = true;
      } catch (error) {
        throw closing.signal.aborted ? toAuthError(closing.signal.reason) : error;
      }
    },
    async diagnose(given = {}) {
      try {
        const { upstreams } = pipeline;
        return await diagnose({ config, upstreams, isToken, closing: closing.signal }, given);
      } catch (error) {
        throw closing.signal.aborted && !given?.signal?.aborted ? toAuthError(closing.signal.reason) : error;
      }
    },
    getUserPermissions(user, call) {
      return ask(
        (options) => caches.permissions.get(userToAsk("getUserPermissions", user, restOnly), withAsker(options)),
        call,
      );
    },
    getUserLocals(user, call) {
      return ask((options) => caches.locals.get(userToAsk("getUserLocals", user, restOnly), withAsker(options)), call);
    },
    getOrganization(organizationId, call) {
      return ask((options) => caches.organization.get(organizationToAsk(organizationId), withAsker(options)), call);
    },
    invalidateToken(token) {
      return forget("token", () => {
        assertToken(new Token(token));
        return caches.token.invalidate(token);
      });
    },
    invalidateUser(user) {
      return forget("user", () => caches.invalidateUser(userToForget(user)));
    },
    invalidateOrganization(organizationId) {
      return forget("organization", () => caches.invalidateOrganization(organizationToForget(organizationId)));
    },
    onInvalidated(auth, listener) {
      closing.signal.throwIfAborted();
      return caches.onInvalidated(auth, listener);
    },
    status() {
      return {
        ...Object.fromEntries(
          pipeline.upstreams.map((each) => [
            each.upstream,
            upstreamStatus(each, refusals.countOf(each.upstream), events.counts),
          ]),
        ),
        cache: caches.status(),
        inFlight: caches.inFlight(),
        upstream: pipeline.load(),
        requests: requests.status,
      };
    },
    health: () => healthOf(pipeline.upstreams, caches.status(), { isReady, isClosed }),
    on: (event, listener) => events.on(event, listener),
    close() {
      closed ??= close();
      return closed;
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
  const { logger } = config;
  const { mayBeVoid } = caches;
  const digestOf = createTokenDigest(config.cache.secrets[0]);
  setTraits(client, {
    ...{ isToken, logger, clock, deadlineMs, mayBeVoid, channelKey, requests, digestOf },
    ...{ answerListeners, closeListeners, instrumentedWith: new Set() },
  });
  return client;

  /** Invalidates; what this process remembered is forgotten even where it rejects. */
  async function forget(kind: "token" | "user" | "organization", invalidate: () => Promise<void>): Promise<void> {
    try {
      closing.signal.throwIfAborted();
      const told = invalidate();
      events.emit("invalidation", { by: "here", kind });
      await told;
    } catch (error) {
      if (error instanceof AuthError || error instanceof UsageError) throw error;
      const message = "The shared cache could not be told; this process has forgotten all the same.";
      throw new AuthError(
        "auth_unavailable",
        error === closing.signal.reason ? { cause: error } : { cause: error, message },
      );
    }
  }
}
