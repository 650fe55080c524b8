import type { Moment } from "./records.js";
import type { VirtualClock } from "./virtual-clock.js";

type Detail = string | number | boolean | undefined;

/** How many events a failure shows. */
const LAST_EVENTS = 60;

/** What happened, in order, and what must not have. Lines are written only when somebody wants to read them. */
export class Chronicle {
  readonly violations: string[] = [];
  readonly #clock: VirtualClock;
  readonly #events: (readonly [at: number, who: string, ...details: Detail[]])[] = [];
  #order = 0;
  #turn = 0;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  /** Now, and after everything that was before. */
  moment(): Moment {
    return { at: this.#clock.time, order: this.#order++, turn: this.#turn };
  }

  get turn(): number {
    return this.#turn;
  }

  nextTurn(): void {
    this.#turn++;
  }

  record(who: string, ...details: Detail[]): void {
    this.#events.push([this.#clock.time, who, ...details]);
  }

  /** A rule of the specification was broken. */
  violate(who: string, rule: string): void {
    this.record(who, "VIOLATION", rule);
    this.violations.push(`${who}: ${rule}`);
  }

  get size(): number {
    return this.#events.length;
  }

  lines(last = LAST_EVENTS): string[] {
    return this.#events
      .slice(-last)
      .map(([at, who, ...details]) => `${at.toFixed(3).padStart(12)}  ${who.padEnd(3)} ${details.join(" ")}`);
  }
}
