import { hash } from "node:crypto";
import type { AuthClient } from "../../src/auth/auth-client.js";
import type { Archive } from "./archive.js";
import type { Chronicle } from "./chronicle.js";
import type { Journal } from "./journal.js";
import type { Moment } from "./records.js";
import type { LinkObserver } from "./redis-link.js";
import type { VirtualClock } from "./virtual-clock.js";

/** A process tells of so many refusals in a second; two such seconds can touch. */
const MOST_REFUSALS = 2 * 20;

/** What one process reads of the log, and what it writes there. */
export class LogWatch implements LinkObserver {
  /** When it had been handed all that there was. */
  caughtUpAs: Moment | undefined;
  /** When it last found the place from which on it reads. */
  beganAs: Moment | undefined;
  #adds = false;
  readonly #name: string;
  readonly #journal: Journal;
  readonly #chronicle: Chronicle;
  readonly #archive: Archive;
  readonly #clock: VirtualClock;
  #gaps = 0;
  /** When refusals were told. */
  readonly #refusals: number[] = [];

  constructor(
    name: string,
    journal: Journal,
    { chronicle, archive, clock }: { chronicle: Chronicle; archive: Archive; clock: VirtualClock },
  ) {
    this.#name = name;
    this.#journal = journal;
    this.#chronicle = chronicle;
    this.#archive = archive;
    this.#clock = clock;
  }

  caughtUp(): void {
    this.caughtUpAs = this.#chronicle.moment();
  }

  answered([command]: readonly string[], reply: unknown): void {
    if (command === "XREAD" && reply !== undefined) this.#journal.newsAt = this.#clock.time;
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
    if (command === "XADD") this.#checkTold(words.at(-1)!);
  }

  doubt(): void {
    this.#journal.newsAt = this.#clock.time;
    this.#journal.doubtedAt = this.#clock.time;
  }

  /** What it says itself. */
  check(client: AuthClient): void {
    const { gaps, outbox } = client.status().cache;
    if (gaps !== this.#gaps) this.doubt();
    this.#gaps = gaps;
    const most = this.#journal.invalidations.length + this.#journal.contradicted.length;
    if (outbox > most) this.#chronicle.violate(this.#name, `${outbox} wait to be told, of ${most}`);
  }

  /** Garbage is not told: what is refused must have been good once, and is told no more often than may be. */
  #checkTold(text: string): void {
    if (!text.startsWith("{")) return; // it is sealed
    const { kind, id } = JSON.parse(text) as { kind: string; id?: string };
    if (kind !== "refusal") return;
    const now = this.#clock.time;
    const isKnown = this.#archive.questions.some(
      ({ token }) => token !== undefined && hash("sha256", token, "base64url") === id,
    );
    if (!isKnown) this.#chronicle.violate(this.#name, "told others of garbage");
    this.#refusals.push(now);
    while (this.#refusals[0]! <= now - 1000) this.#refusals.shift();
    if (this.#refusals.length > MOST_REFUSALS)
      this.#chronicle.violate(this.#name, `told of ${this.#refusals.length} refusals within a second`);
  }
}
