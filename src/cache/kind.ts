/** Where an answer came from. `stale`: an expired entry that stood in while the service was unavailable. */
export type AnswerSource = "process" | "shared" | "stale" | "grpc" | "rest";

/** What the service said: an answer, or a reasoned no. That it could not be asked is a rejection, and never remembered. */
export type Verdict<V, R> =
  | { readonly kind: "answer"; readonly value: V; readonly source: AnswerSource }
  | { readonly kind: "refusal"; readonly reason: R };

/** What a caller gets: the presented answer, or the no. */
export type Outcome<P, R> =
  | { readonly kind: "answer"; readonly answer: P }
  | { readonly kind: "refusal"; readonly reason: R };

/** One kind of question, and all that the cache must know of it. */
export interface Kind<Q, V, P, R> {
  /** Part of the keys; one for each cache on the same tiers. */
  readonly name: string;
  /** How long an answer holds, in milliseconds. */
  readonly ttlMs: number;
  /** How long a no is remembered in this process, in milliseconds; 0 = not at all. */
  readonly refusalTtlMs: number;
  id(question: Q): string;
  /** Its ids are digests of the questions, in base64url. One kind alone can have such ids. */
  readonly hasDigestIds?: boolean;
  /** Asks the service, and tells `onTry` whenever the question leaves for an upstream. Rejects when it could not tell. */
  ask(question: Q, onTry: () => void): Promise<Verdict<V, R>>;
  /** Makes what callers get, `end` being the question's own or infinite. Frozen: it is shared between them. */
  present(value: V, source: AnswerSource, end: number): P;
  /** Wall time in milliseconds after which no answer may be used. Must not throw. */
  endOf?(question: Q): number | undefined;
  /** The user that the answer speaks of. */
  subjectOf?(question: Q, value: V): string;
  /** Form in the shared tier, and back: `undefined` for anything that is not such a value. */
  encode(value: V): unknown;
  decode(stored: unknown): V | undefined;
  /** Roughly what a value takes in memory. */
  bytesOf(value: V): number;
}
