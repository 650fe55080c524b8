import { type ClientTraits, DEFAULT_TRAITS } from "../auth/client-traits.js";
import { AuthError } from "../auth/errors.js";
import type { VerifiedToken } from "../auth/model.js";
import { isSource, type RequestCounts } from "../auth/request-counts.js";
import type { Token } from "../auth/token.js";
import { channels } from "../runtime/channels.js";
import type { AttachedAuth, MiddlewareSettings } from "./attached-auth.js";
import type { Decision } from "./decision.js";

/** Counts and tells what a middleware decides. */
export class Door {
  readonly #settings: MiddlewareSettings;
  readonly #requests: RequestCounts;

  constructor(settings: MiddlewareSettings) {
    this.#settings = settings;
    this.#requests = requestsOf(settings.traits);
  }

  /** @param auth `undefined`: let through as anonymous */
  letIn(request: unknown, auth: VerifiedToken | undefined, token: Token | undefined): undefined {
    const { tellDecision, maker, traits } = this.#settings;
    this.#requests.letIn(auth);
    const isHit = auth?.source === "process";
    if (isHit && !tellDecision) return;
    const decision: Decision = { by: maker, allowed: true, ...sourceOf(auth) };
    if (!isHit) publish(traits, decision);
    tellDecision?.(withDigest(decision, digestOf(traits, token)), request);
  }

  turnedAway(request: unknown, error: unknown, token: Token | undefined): void {
    const { tellDecision, maker, traits } = this.#settings;
    this.#requests.turnedAway(error);
    if (!tellDecision && !channels.decision.hasSubscribers) return;
    const decision = refusal(maker, error, undefined);
    publish(traits, decision);
    tellDecision?.(withDigest(decision, digestOf(traits, token)), request);
  }
}

/** Counts and tells what a guard decides, to what the middleware before it has named. */
export class GuardDoor {
  readonly #by: string;

  constructor(by: string) {
    this.#by = by;
  }

  letThrough(request: unknown, attached: AttachedAuth): undefined {
    requestsOf(attached.traits).of(this.#by).allowed++;
    const { tellDecision, auth } = attached;
    if (!tellDecision) return;
    const decision: Decision = { by: this.#by, allowed: true, ...sourceOf(auth) };
    tellDecision(withDigest(decision, attached.tokenDigest), request);
  }

  /** Throws the error on. */
  turnAway(request: unknown, attached: AttachedAuth | undefined, error: unknown): never {
    if (attached) {
      const { traits, auth, tellDecision } = attached;
      const verdicts = requestsOf(traits).of(this.#by);
      if (error instanceof AuthError && error.status < 500) verdicts.denied++;
      else verdicts.error++;
      if (tellDecision || channels.decision.hasSubscribers) {
        const decision = refusal(this.#by, error, auth);
        publish(traits, decision);
        tellDecision?.(withDigest(decision, attached.tokenDigest), request);
      }
    }
    throw error;
  }
}

function refusal(by: string, error: unknown, auth: VerifiedToken | undefined): Decision {
  return {
    ...{ by, allowed: false },
    ...(error instanceof AuthError && { code: error.code }),
    ...sourceOf(auth),
  };
}

/** Nothing where a `verifyToken` of the application's own names another place: that is not for all that hear of decisions. */
function sourceOf(auth: VerifiedToken | undefined): Pick<Decision, "source"> {
  return auth && isSource(auth.source) ? { source: auth.source } : {};
}

function withDigest(decision: Decision, digest: string | undefined): Decision {
  return digest === undefined ? decision : { ...decision, digest };
}

function digestOf(traits: ClientTraits, token: Token | undefined): string | undefined {
  return token && (traits.digestOf ?? DEFAULT_TRAITS.digestOf)(token.text);
}

/** Of a client that another version of this package made there are none. */
function requestsOf(traits: ClientTraits | undefined): RequestCounts {
  return traits?.requests ?? DEFAULT_TRAITS.requests;
}

/** On `portero:decision`, where a digest has no place: it would cost an HMAC. */
function publish(traits: ClientTraits | undefined, decision: Decision): void {
  if (!channels.decision.hasSubscribers) return;
  const { channelKey: client } = traits ?? DEFAULT_TRAITS;
  channels.decision.publish({ client, ...decision });
}
