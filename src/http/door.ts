import { type ClientTraits, DEFAULT_TRAITS } from "../auth/client-traits.js";
import { AuthError, type AuthErrorCode } from "../auth/errors.js";
import type { VerifiedToken } from "../auth/model.js";
import type { RequestCounts } from "../auth/request-counts.js";
import { channels } from "../runtime/channels.js";
import type { AttachedAuth } from "./attached-auth.js";

/** A request was let through or turned away, as `portero:decision` tells of it. */
export interface DecisionMessage {
  readonly client: object;
  /** The function that decided: `requireAuth`, `requireLocal`. */
  readonly by: string;
  readonly allowed: boolean;
  /** Why it was not; absent where something else than an `AuthError` was thrown. */
  readonly code?: AuthErrorCode | undefined;
  /** Where the answer about the token came from; absent for an anonymous request. */
  readonly source?: VerifiedToken["source"] | undefined;
}

/** Counts and tells what a middleware decides. */
export class Door {
  readonly #by: string;
  readonly #traits: ClientTraits;

  constructor(by: string, traits: ClientTraits) {
    this.#by = by;
    this.#traits = traits;
  }

  /** @param auth `undefined`: let through as anonymous */
  letIn(auth: VerifiedToken | undefined): void {
    requestsOf(this.#traits).letIn(auth);
    if (auth?.source !== "process") tellDecision(this.#traits, this.#by, { allowed: true, source: auth?.source });
  }

  turnedAway(error: unknown): void {
    requestsOf(this.#traits).turnedAway(error);
    tellDecision(this.#traits, this.#by, { allowed: false, code: codeOf(error) });
  }
}

/** Counts and tells what a guard decides. */
export class GuardDoor {
  readonly #by: string;

  constructor(by: string) {
    this.#by = by;
  }

  letThrough({ traits }: AttachedAuth): undefined {
    requestsOf(traits).of(this.#by).allowed++;
  }

  /** Throws the error on. */
  turnAway(attached: AttachedAuth | undefined, error: unknown): never {
    if (attached) {
      const { traits, auth } = attached;
      const verdicts = requestsOf(traits).of(this.#by);
      if (error instanceof AuthError && error.status < 500) verdicts.denied++;
      else verdicts.error++;
      tellDecision(traits, this.#by, { allowed: false, code: codeOf(error), source: auth?.source });
    }
    throw error;
  }
}

/** Of a client that another version of this package made there are none. */
function requestsOf(traits: ClientTraits | undefined): RequestCounts {
  return traits?.requests ?? DEFAULT_TRAITS.requests;
}

function codeOf(error: unknown): AuthErrorCode | undefined {
  return error instanceof AuthError ? error.code : undefined;
}

function tellDecision(
  traits: ClientTraits | undefined,
  by: string,
  what: Omit<DecisionMessage, "client" | "by">,
): void {
  if (!channels.decision.hasSubscribers) return;
  const { channelKey: client } = traits ?? DEFAULT_TRAITS;
  channels.decision.publish({ client, by, ...what } satisfies DecisionMessage);
}
