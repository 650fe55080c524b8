import { hash } from "node:crypto";
import type { AuthClient } from "../../src/auth/auth-client.js";
import type { Chronicle } from "./chronicle.js";
import type { Journal } from "./journal.js";
import type { Moment } from "./records.js";
import type { LinkObserver } from "./redis-link.js";
import type { StreamEntry } from "./redis-streams.js";
import type { VirtualClock } from "./virtual-clock.js";

/** A process tells of so many refusals in a second; two such seconds can touch. */
const MOST_REFUSALS = 2 * 20;
/** Longer entries are of no process, in characters. */
const MAX_LENGTH = 16_384;

/** What one process reads of the log, and what it writes there. */
export class LogWatch implements LinkObserver {
  /** When it had been handed all that there was. */
  caughtUpAs: Moment | undefined;
  /** When it last found the place from which on it reads, or noticed a gap. */
  beganAs: Moment | undefined;
  /** It was answered in this turn: it may have noticed something. */
  #wasAnswered = false;
  /** What it added itself. */
  readonly #own = new Set<string>();
  #adds = false;
  readonly #name: string;
  readonly #journal: Journal;
  readonly #chronicle: Chronicle;
  readonly #clock: VirtualClock;
  #gaps = 0;
  /** When that was looked at last. */
  #checkedAs: Moment | undefined;
  /** When refusals were told. */
  readonly #refusals: number[] = [];

  constructor(name: string, journal: Journal, { chronicle, clock }: { chronicle: Chronicle; clock: VirtualClock }) {
    this.#name = name;
    this.#journal = journal;
    this.#chronicle = chronicle;
    this.#clock = clock;
  }

  caughtUp(): void {
    this.caughtUpAs = this.#chronicle.moment();
  }

  answered([command]: readonly string[], reply: unknown): void {
    this.#wasAnswered = true;
    const entries = command === "XREAD" ? entriesIn(reply) : [];
    if (entries.some((fields) => this.#isNews(fields))) this.#journal.newsAt = this.#clock.time;
    const isEmpty = Array.isArray(reply) && reply.length === 0;
    // To a stream that was empty an entry is added, whose time is then set.
    if ((command === "XREVRANGE" && !isEmpty) || (command === "PEXPIRE" && this.#adds))
      this.beganAs = this.#chronicle.moment();
    this.#adds = command === "XADD";
    if (command === "XREVRANGE" || command === "XADD" || (command === "XRANGE" && isEmpty)) this.doubt();
  }

  told(words: readonly string[]): void {
    const [command] = words;
    if (command === "UNLINK") this.doubt();
    if (command !== "XADD") return;
    this.#own.add(words.at(-1)!);
    this.#checkTold(words.at(-1)!);
  }

  doubt(): void {
    this.#journal.newsAt = this.#clock.time;
    this.#journal.doubtedAt = this.#clock.time;
  }

  /** To be called when all that follows from one event has happened. */
  endOfTurn(client: AuthClient): void {
    if (this.#wasAnswered) this.check(client);
    this.#wasAnswered = false;
  }

  /** What it says itself. */
  check(client: AuthClient): void {
    const { gaps, outbox } = client.status().cache;
    if (gaps !== this.#gaps) {
      this.doubt();
      this.beganAs = this.#checkedAs; // since then: when it was noticed is not known
    }
    this.#gaps = gaps;
    this.#checkedAs = this.#chronicle.moment();
    const most = this.#journal.invalidations.length + this.#journal.contradicted.length;
    if (outbox > most) this.#chronicle.violate(this.#name, `${outbox} wait to be told, of ${most}`);
  }

  /** Whether it may be of another process. What is sealed may always be. */
  #isNews(fields: readonly string[]): boolean {
    const [name, text = ""] = fields;
    if (fields.length !== 2 || name !== "e" || text === "" || text.length > MAX_LENGTH || this.#own.has(text))
      return false;
    return !text.startsWith("{") || isJson(text);
  }

  /** Garbage is not told: what is refused must have been held, and is told no more often than may be. */
  #checkTold(text: string): void {
    if (!text.startsWith("{")) return; // it is sealed
    const { kind, id } = JSON.parse(text) as { kind: string; id?: string };
    if (kind !== "refusal") return;
    const now = this.#clock.time;
    const isHeld = this.#journal.questions.some(
      (question) => question.token !== undefined && idOf(question.token) === id && this.#journal.knows(question),
    );
    if (!isHeld) this.#chronicle.violate(this.#name, "told others of the refusal of what it never held");
    this.#refusals.push(now);
    while (this.#refusals[0]! <= now - 1000) this.#refusals.shift();
    if (this.#refusals.length > MOST_REFUSALS)
      this.#chronicle.violate(this.#name, `told of ${this.#refusals.length} refusals within a second`);
  }
}

function entriesIn(reply: unknown): readonly (readonly string[])[] {
  const [stream] = (reply ?? []) as [[string, readonly StreamEntry[]]?];
  return stream?.[1].map(([, fields]) => fields) ?? [];
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function idOf(token: string): string {
  return hash("sha256", token, "base64url");
}
