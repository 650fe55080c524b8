import { setImmediate } from "node:timers"; // in jsdom there is no global one
import type { Standing } from "../runtime/standing.js";
import type { AskedQuestion } from "./question-watch.js";
import type { Entry, Reading } from "./spec.js";

/** Passed before the service is asked about what is not known; rejects where it is not to be asked. */
export type Gate = () => Promise<void>;

/** What a load is content with. */
export type LoadMode =
  /** What the shared cache holds, else the service. */
  | { readonly kind: "miss" }
  /** What the shared cache holds if that is newer than an entry of the process, else the service. */
  | { readonly kind: "refresh"; readonly newerThan: Pick<Entry<unknown>, "askedAt"> }
  /** The service alone. Its first caller waits since then, monotonic in milliseconds. */
  | { readonly kind: "fresh"; readonly since: number };

export const MISS: LoadMode = { kind: "miss" };

/** Reads what a question says of itself. */
interface Reader<Q> {
  read?(question: Q): Reading;
}

const SAYS_NOTHING: Reading = { hardExpiry: undefined, meaning: undefined };

/** One question that is to be loaded. What it says of itself is read when it is needed, and once. */
export class LoadTask<Q> {
  readonly question: Q;
  readonly mode: LoadMode;
  /** Whether a known user asks. */
  readonly standing: Standing;
  /** Of the caller that it was begun for. */
  readonly gate: Gate | undefined;
  /** The question that it was begun for, where questions are watched. */
  asked: AskedQuestion | undefined;
  /** Whether a caller waits for it: for a refresh, once one has joined it. */
  isWaitedFor: boolean;
  readonly #reader: Reader<Q>;
  #reading: Reading | undefined;

  constructor(
    question: Q,
    mode: LoadMode,
    standing: Standing,
    reader: Reader<Q>,
    { gate, asked }: { readonly gate?: Gate | undefined; readonly asked?: AskedQuestion | undefined } = {},
  ) {
    this.question = question;
    this.mode = mode;
    this.standing = standing;
    this.gate = gate;
    this.asked = asked;
    this.isWaitedFor = mode.kind !== "refresh";
    this.#reader = reader;
  }

  /** Reads it while the store is being asked. To be called then: the client of Redis writes in the next phase of the loop, and so first. */
  prepare(): void {
    if (this.#reader.read) setImmediate(() => this.#read());
  }

  /** Wall time in milliseconds after which no answer may be used; infinite where the question does not say. */
  get hardExpiry(): number {
    return this.#read().hardExpiry ?? Number.POSITIVE_INFINITY;
  }

  /** What all spellings of the question have in common, if there are several. */
  get meaning(): string | undefined {
    return shortMeaning(this.#read().meaning);
  }

  #read(): Reading {
    this.#reading ??= this.#reader.read?.(this.question) ?? SAYS_NOTHING;
    return this.#reading;
  }
}

/** So many characters of a digest, in base64url, are 66 bits. */
const MEANING_LENGTH = 11;

/**
 * A meaning as entries have it: half of the digest's bytes in memory. Of two questions with the same one, which nobody will see, both are
 * asked again when one is invalidated.
 */
export function shortMeaning(digest: string | undefined): string | undefined {
  return digest?.slice(0, MEANING_LENGTH);
}
