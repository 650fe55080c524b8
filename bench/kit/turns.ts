import type { RequestListener } from "node:http";
import { shuffle } from "./shuffle.js";

export interface TurnLength {
  /** Requests of one turn. */
  readonly turn: number;
  /** Requests at a turn's beginning that are not measured: those before may still be under way. */
  readonly settling: number;
}

/** A kind's CPU for one request in each of its turns, in microseconds. */
export type TurnSamples<K extends string> = Partial<Record<K, number[]>>;

/** Gives the requests that come to the kinds in turn, and takes the time. */
export class Turns<K extends string> {
  readonly #length: TurnLength;
  readonly #listeners: ReadonlyMap<K, RequestListener>;
  #order: K[] = [];
  #handled = 0;
  #cpuAtStart = 0;
  #current: RequestListener = () => undefined;
  rounds = -1;
  samples: TurnSamples<K> = {};

  constructor(listeners: ReadonlyMap<K, RequestListener>, length: TurnLength) {
    this.#listeners = listeners;
    this.#length = length;
    this.#next();
  }

  readonly listener: RequestListener = (req, res) => {
    const { turn, settling } = this.#length;
    if (this.#handled === settling) this.#cpuAtStart = cpuMicros();
    else if (this.#handled === turn) this.#end();
    this.#handled++;
    this.#current(req, res);
  };

  forget(): void {
    this.samples = {};
    this.rounds = 0;
    this.#order = [];
    this.#next();
  }

  #end(): void {
    const { turn, settling } = this.#length;
    const micros = (cpuMicros() - this.#cpuAtStart) / (turn - settling);
    const kind = this.#order.shift()!;
    this.samples[kind] = [...(this.samples[kind] ?? []), micros];
    this.#next();
  }

  #next(): void {
    if (this.#order.length === 0) {
      this.rounds++;
      this.#order = [...this.#listeners.keys()];
      shuffle(this.#order);
    }
    this.#handled = 0;
    this.#current = this.#listeners.get(this.#order[0]!)!;
  }
}

/** What this process has taken of the CPU so far. */
function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
