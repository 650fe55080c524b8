import type { AnswerSource } from "./spec.js";

/** A question that is put past the process, as its load knows it. */
export interface AskedQuestion {
  /** The question under way whose answer it waits for. */
  joined: AskedQuestion | undefined;
  /** How long its load has waited for a place at the service, in milliseconds. */
  queuedMs: number | undefined;
}

export interface QuestionTraits {
  /** The name of its spec. */
  readonly kind: string;
  readonly fresh: boolean;
  /** No caller asks it: it is for an entry that is getting old. */
  readonly isRefresh: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** What came of a question. */
export type Ending =
  | { readonly kind: "answer"; readonly answer: unknown; readonly source: AnswerSource }
  | { readonly kind: "refusal"; readonly reason: unknown }
  | { readonly kind: "unavailable" | "turned away"; readonly error: unknown };

/** Sees the questions that the process cannot answer at once. */
export interface QuestionWatch {
  /** @param ask gets nothing where nothing is looked at */
  asks<T extends Ending>(traits: QuestionTraits, ask: (asked: AskedQuestion | undefined) => Promise<T>): Promise<T>;
}
