import type { UserRef } from "../../src/auth/model.js";
import type { Operation } from "../../src/transport/operation.js";
import type { Upstream } from "../../src/transport/outcome.js";
import type { Authority } from "./authority.js";

/** What can be asked of one auth service. There is one object for each question, so that `===` compares them. */
export interface Question {
  readonly operation: Operation;
  readonly authority: Authority;
  readonly token?: string;
  /** What all spellings of the token have in common. */
  readonly meaning?: string;
  readonly user?: UserRef;
  readonly organizationId?: string;
}

/** What the service said to one call, as it will be recognised wherever it turns up. */
export interface Answer {
  readonly question: Question;
  readonly attempt: Try;
  /** When the service looked, before it answered. */
  readonly lookedAt: number;
  readonly body: AnswerBody;
}

export type AnswerBody =
  | {
      readonly kind: "user";
      readonly user: UserRef;
      readonly email: string;
      readonly permissions: readonly string[];
      readonly locals: readonly string[];
    }
  | { readonly kind: "list"; readonly list: readonly string[] }
  | {
      readonly kind: "organization";
      readonly id: string;
      readonly name: string;
      readonly isActive: boolean;
      readonly modules: readonly string[];
    };

export type RefusalReason = "invalid_token" | "inactive_user" | "lookup_refused";

/** How one call of one upstream ended, by the words of the contract. */
export type TryResult =
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: "refused"; readonly reason: RefusalReason; readonly lookedAt: number }
  /** With `network` the upstream said nothing: what ended the call can have ended others with it. */
  | {
      readonly kind: "unreachable";
      readonly timedOut: boolean;
      readonly network: boolean;
      readonly retryAfterMs?: number;
    }
  /** It did not look at it, for certain. Told of the first loss only: a second one is the network's. */
  | { readonly kind: "unprocessed" }
  /** A live upstream has no room for it. */
  | { readonly kind: "busy"; readonly retryAfterMs?: number }
  | { readonly kind: "broken"; readonly healthy: boolean }
  /** Cut off by us, and not for its time: it says nothing. */
  | { readonly kind: "abandoned" };

/** Events are numbered in the order they happen: times alone do not tell what came first within one instant. */
export interface Moment {
  readonly at: number;
  readonly order: number;
  /** The turn of the clock: what happens within one follows from one cause. */
  readonly turn: number;
}

/** One call of one upstream. */
export interface Try {
  readonly ask: Ask;
  readonly upstream: Upstream;
  readonly timeoutMs: number;
  readonly began: Moment;
  /** The one that was not processed, in whose place it is. */
  readonly replaces?: Try;
  ended?: Moment;
  result?: TryResult;
}

/** The tries that belong together: one of each upstream at most. */
export interface Round {
  grpc?: Try;
  rest?: Try;
  /** Set when it failed and no other one may follow: why. */
  whyNotFollowed?: string;
}

/** One question on its way through the pipeline of one process. */
export interface Ask {
  readonly question: Question;
  /** Whether a known user asks, or a stranger: it can change while the question is under way. */
  readonly isOfKnownUser: () => boolean;
  readonly began: Moment;
  readonly rounds: Round[];
  /** Refused when the upstream had refused everybody: no evidence about one user, if nobody waited for it. */
  mayBeDoubted?: boolean;
  /** The first try that brought an answer or a refusal. */
  verdict?: Try & { result: TryResult; ended: Moment };
}

/** An invalidation in one process. */
export interface Invalidation {
  readonly called: Moment;
  readonly question: Question | undefined;
  readonly user: UserRef | undefined;
  /** Set when its promise was fulfilled. */
  resolved?: Moment;
}

/** Somebody who wants to know. */
export interface Request {
  readonly question: Question;
  readonly fresh: boolean;
  readonly began: Moment;
  /** How a trace names it. */
  readonly label: string;
}

export function isSameUser(a: UserRef, b: UserRef): boolean {
  return a.userId === b.userId && a.organizationId === b.organizationId;
}

/** Whether they are the same, or ask about spellings of one token. */
export function hasMeaningOf(question: Question, other: Question): boolean {
  if (question === other) return true;
  return question.meaning !== undefined && question.meaning === other.meaning && question.authority === other.authority;
}

/** The user that an answer speaks of. */
export function subjectOf({ question, body }: Answer): UserRef | undefined {
  return body.kind === "user" ? body.user : question.user;
}

export function triesOf({ rounds }: Ask): Try[] {
  return rounds.flatMap(({ grpc, rest }) => [grpc, rest].filter((attempt) => attempt !== undefined));
}

export function isVerdict(result: TryResult | undefined): result is TryResult & { kind: "answer" | "refused" } {
  return result?.kind === "answer" || result?.kind === "refused";
}

/** Whether the service knows whose token it is: also one who is not active any more. */
export function isKnown(result: TryResult | undefined): boolean {
  return result?.kind === "answer" || (result?.kind === "refused" && result.reason === "inactive_user");
}
