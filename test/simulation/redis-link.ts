import type { RedisLink } from "../../src/cache/redis-link.js";
import type { Random } from "./random.js";
import type { SimulatedRedis } from "./redis.js";
import { noRights } from "./redis-streams.js";
import type { VirtualClock } from "./virtual-clock.js";

/** How the connections are on which the log is read. `trimming`: entries go while it is read. */
export type LogWeather = "calm" | "lagging" | "dropping" | "trimming";

/** Told of the commands of a process, and of what it is answered. */
export interface LinkObserver {
  /** Over the connection of the store. */
  told?(words: readonly string[]): void;
  /** Redis has nothing for a read: all that there was has been handed over. */
  caughtUp(): void;
  /** Handed over. */
  answered(words: readonly string[], reply: unknown): void;
}

interface LinkOptions {
  readonly redis: SimulatedRedis;
  readonly random: Random;
  readonly clock: VirtualClock;
  readonly observer: LinkObserver;
  readonly refusesStreams: boolean;
}

interface Waiting {
  readonly key: string;
  readonly wake: () => void;
}

const READERS = ["XREAD", "XRANGE", "XREVRANGE"];

/** One connection on which a process reads the log. */
export class SimulatedLink implements RedisLink {
  readonly #options: LinkOptions;
  readonly #pending = new Set<(error: Error) => void>();
  #onError: (error: Error) => void = () => undefined;
  #isDead = false;
  #hangs = false;
  #waiting: Waiting | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  async connect(): Promise<void> {
    const { weather } = this.#options.redis;
    if (weather === "down") throw Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
    if (weather === "silent") this.#hangs = true;
    await this.#after(this.#latencyMs(), () => undefined);
  }

  send(words: readonly string[]): Promise<unknown> {
    const { redis, observer, refusesStreams, random } = this.#options;
    return new Promise((resolve, reject) => {
      if (this.#isDead) return reject(new Error("the connection is closed"));
      this.#pending.add(reject);
      const answer = (reply: unknown, error?: Error) => {
        this.#waiting = undefined;
        if (this.#isDead || this.#hangs) return;
        if (redis.logWeather === "dropping" && random.chance(0.15)) return this.cut(random.chance(0.3));
        void this.#after(this.#latencyMs(), () => {
          this.#pending.delete(reject);
          if (error) return reject(error);
          observer.answered(words, reply);
          resolve(reply);
        });
      };
      const execute = (mayWait: boolean) => {
        try {
          if (refusesStreams && READERS.includes(words[0]!)) throw noRights(words[0]!.toLowerCase());
          const reply = redis.streams.run(words);
          if (words[0] === "XREAD" && reply === undefined) {
            if (isThere(words, redis)) observer.caughtUp();
            if (mayWait && words.includes("BLOCK")) return this.#wait(words, () => execute(false));
          }
          answer(reply);
        } catch (error) {
          answer(undefined, error as Error);
        }
        this.#trimNow(words);
      };
      void this.#after(this.#latencyMs(), () => execute(true));
    });
  }

  /** An entry was added, or something else became of the stream. */
  wake(key: string): void {
    if (this.#waiting?.key === key) this.#waiting.wake();
  }

  /** @param silently the process is not told */
  cut(silently: boolean): void {
    if (this.#isDead) return;
    if (silently) {
      this.#hangs = true;
      return;
    }
    this.destroy();
    this.#onError(new Error("the connection was reset"));
  }

  onError(listener: (error: Error) => void): void {
    this.#onError = listener;
  }

  guard(): void {
    // what it looks at are bytes
  }

  destroy(): void {
    this.#isDead = true;
    for (const reject of this.#pending) reject(new Error("the connection is closed"));
    this.#pending.clear();
  }

  #wait(words: readonly string[], execute: () => void): void {
    const { redis, clock } = this.#options;
    const key = words.at(-2)!;
    let isOver = false;
    const end = () => {
      if (isOver || this.#isDead) return;
      isOver = true;
      this.#waiting = undefined;
      execute();
    };
    const wake = () => {
      try {
        if (redis.streams.run(words) !== undefined) end();
      } catch {
        end();
      }
    };
    this.#waiting = { key, wake };
    clock.after(Number(words[words.indexOf("BLOCK") + 1]), end);
  }

  /** Trims between two commands of a reader. */
  #trimNow(words: readonly string[]): void {
    const { redis, random } = this.#options;
    const isProof = words[0] === "XRANGE";
    if (redis.logWeather !== "trimming" || !READERS.includes(words[0]!) || !random.chance(isProof ? 0.9 : 0.05)) return;
    for (const key of redis.streams.keys) redis.streams.trim(key, random.pick([0, 1, 1, 1, 1, 1]));
    redis.disturb();
  }

  #latencyMs(): number {
    const { redis, random } = this.#options;
    return redis.logWeather === "lagging" ? random.ms(0.125, 250) : random.ms(0.125, 2);
  }

  #after<T>(ms: number, then: () => T): Promise<T> {
    return new Promise((resolve) => {
      this.#options.clock.after(ms, () => {
        if (!this.#isDead && !this.#hangs) resolve(then());
      });
    });
  }
}

/** Whether the entry is there behind which was read: a stream that was begun anew may have smaller ids, and entries that are never read. */
function isThere(words: readonly string[], { streams }: SimulatedRedis): boolean {
  const [key, behind] = words.slice(-2) as [string, string];
  return behind === "0-0" || streams.entriesOf(key).some(([id]) => id === behind);
}
