import type { Standing } from "../runtime/standing.js";

/** Where an answer came from. `stale`: an expired entry, served because the service was unavailable. */
export type AnswerSource = "process" | "shared" | "stale" | "grpc" | "rest";

/** What the service said: an answer, or a refusal with its reason. That it could not be asked is a rejection, and never remembered. */
export type Verdict<V, R> =
  | { readonly kind: "answer"; readonly value: V; readonly source: AnswerSource }
  | {
      readonly kind: "refusal";
      readonly reason: R;
      readonly source: AnswerSource;
      /** The service knows what it was asked about: not what it would also say of everything, had it lost its keys. */
      readonly isInformed: boolean;
    };

/** What a caller gets: the presented answer, or the refusal. */
export type Outcome<P, R> =
  | { readonly kind: "answer"; readonly answer: P; readonly source: AnswerSource }
  | { readonly kind: "refusal"; readonly reason: R };

/** What an answer is about: invalidating it makes the answer void. */
export type Subject = "user" | "organization";

/** An answer, with when it was asked for and when it ends, each by two clocks: see timeline.ts. */
export interface Entry<V> {
  readonly value: V;
  /** When it was asked for, in the order of this process; for one from the shared cache, when it was accepted. */
  readonly order: number;
  /** When it was asked for, by the wall clock of the process that asked, in milliseconds. */
  readonly askedAt: number;
  /** It came from the shared cache: which process asked, and by which clock, is not known. */
  readonly isShared: boolean;
  /** Its end, wall time in milliseconds … */
  readonly expiresAt: number;
  /** … and on the monotonic clock. It ends at the earlier of both. */
  readonly endsAt: number;
  /** The key of the user or the organization that it is about. */
  readonly subject: string;
  /** What all spellings of its question have in common, where a question has several. */
  readonly meaning: string | undefined;
}

/** By which an answer that was handed out can be told to be void later. */
export interface Origin extends Pick<Entry<unknown>, "order" | "askedAt" | "isShared" | "meaning"> {
  readonly id: string;
}

/** How a question is put to the service. */
export interface AskOptions {
  /**
   * Told whenever the question leaves for an upstream.
   *
   * @param isBeside it is under way already: which of its tries will bring the answer is not known yet
   */
  readonly onTry: (isBeside: boolean) => void;
  /** No cache on the way may answer. */
  readonly fresh: boolean;
  /** When the first of its callers began to wait for the service: its deadline counts from here. Monotonic, in milliseconds. */
  readonly since: number;
  /** Whether a known user asks: it can move up while it is under way. */
  readonly standing: Standing;
  /** Told when it has waited for a place, for so many milliseconds, whatever came of that. */
  readonly onQueued?: ((ms: number) => void) | undefined;
}

/** What a question says of itself. */
export interface Reading {
  /** Wall time in milliseconds after which no answer may be used. */
  readonly hardExpiry: number | undefined;
  /** A digest of what all spellings of the question have in common; `undefined` where the spelling is the meaning. */
  readonly meaning: string | undefined;
}

/** One kind of question, and all that the cache must know of it. */
export interface CacheSpec<Q, V, P, R> {
  /** Part of the keys; one for each cache on the same tiers. */
  readonly name: string;
  /** How long an answer holds, in milliseconds. */
  readonly ttlMs: number;
  /** How long a refusal is remembered in this process, in milliseconds; 0 = not at all. */
  readonly refusalTtlMs: number;
  id(question: Q): string;
  /** Its ids are digests of the questions, in base64url. One spec alone can have such ids. */
  readonly hasDigestIds?: boolean;
  /** One subject may have any number of entries: they share the room of one, see `maxPerSubject`. */
  readonly hasManyPerSubject?: boolean;
  /** Other processes are told when it is invalidated or refused: see `invalidation-log.ts`. Its ids are digests. */
  readonly isTold?: boolean;
  /** An entry for a question makes it known, void or expired though it is: see `standing.ts`. */
  readonly isKnownByEntry?: boolean;
  /** Asks the service. Rejects when it could not tell. */
  ask(question: Q, options: AskOptions): Promise<Verdict<V, R>>;
  /** Makes what callers get, also from what it made before, `hardExpiry` being the question's own or infinite. Frozen: it is shared between them. */
  present(value: V | P, source: AnswerSource, hardExpiry: number, origin: Origin): P;
  /** What a question says of itself. Must not throw. */
  read?(question: Q): Reading;
  readonly about: Subject;
  /** The id of the user or the organization that the answer is about. */
  subjectOf(question: Q, value: V): string;
  /** Form in the shared cache, and back: `undefined` for anything that is not such a value. */
  encode(value: V): unknown;
  decode(stored: unknown): V | undefined;
  /** Roughly what a value takes in memory. */
  bytesOf(value: V): number;
}
