import type { SharedStore } from "../../src/cache/shared-store.js";
import { markIn } from "./authority.js";
import type { Random } from "./random.js";
import type { VirtualClock } from "./virtual-clock.js";

/** How the store is at the moment. `lying` is for stores that need not be believed. */
export type StoreWeather = "calm" | "slow" | "flaky" | "down" | "silent" | "lying";

interface Entry {
  readonly text: unknown;
  readonly until: number;
}

type Fate = "well" | "slow" | "error" | "throw" | "silence" | "lie";

const FATES: Readonly<Record<StoreWeather, Readonly<Partial<Record<Fate, number>>>>> = {
  calm: { well: 1 },
  slow: { well: 1, slow: 2 },
  flaky: { well: 4, slow: 1, error: 2, throw: 1, silence: 1 },
  down: { error: 3, throw: 1 },
  silent: { silence: 1 },
  lying: { well: 2, lie: 3, error: 0.3 },
};

/** What stands in the place of an entry in a store that somebody else has written to. */
const GARBAGE: readonly unknown[] = [
  "",
  "{",
  "null",
  "[]",
  "{}",
  "7",
  '"text"',
  null,
  7,
  true,
  [],
  { user: { id: "x" } },
  '{"askedAt":1e400,"expiresAt":1e400,"value":{}}',
  '{"askedAt":"now","expiresAt":9e15,"value":{"user":{"id":"x"}}}',
  '{"askedAt":9e15,"expiresAt":9e15,"value":{"user":{"id":"x","organizationId":"o","email":"e","permissions":[]},"locals":[]}}',
  '{"askedAt":1767225600000,"expiresAt":9e15,"value":{"user":{"id":""},"locals":[]}}',
  '{"askedAt":1767225600000,"expiresAt":9e15,"value":null}',
  '{"askedAt":1767225600000,"expiresAt":9e15,"value":{"__proto__":{"user":{}}}}',
];

export interface SimulatedStoreOptions {
  clock: VirtualClock;
  random: Random;
  /** Entries are sealed: one that was moved or changed must not be believed. */
  sealed: boolean;
}

/**
 * A store that several processes share. Each of them has one connection, on which operations are carried out in the order in which
 * they were sent; that an operation failed or took too long does not say whether it was carried out.
 */
export class SimulatedStore {
  #weather: StoreWeather = "calm";
  #wasTroubled = false;
  #calmSince = Number.NEGATIVE_INFINITY;
  /** When an answer, by its mark, was last written. Known only where entries are not sealed. */
  readonly written = new Map<string, number>();
  readonly #entries = new Map<string, Entry>();
  readonly #past = new Map<string, unknown[]>();
  readonly #options: SimulatedStoreOptions;

  constructor(options: SimulatedStoreOptions) {
    this.#options = options;
  }

  get weather(): StoreWeather {
    return this.#weather;
  }

  set weather(weather: StoreWeather) {
    if (weather === "calm" && this.#weather !== "calm") this.#calmSince = this.#options.clock.time;
    this.#weather = weather;
    this.#wasTroubled ||= weather !== "calm";
  }

  /** Since when it has been well; infinite where it is not. */
  get calmSince(): number {
    return this.#weather === "calm" ? this.#calmSince : Number.POSITIVE_INFINITY;
  }

  /** Whether it has ever been anything but well. */
  get wasTroubled(): boolean {
    return this.#wasTroubled;
  }

  /** What lies there now under an answer's mark. */
  storedAs(mark: string): { text: string; writtenAt: number } | undefined {
    for (const { text, until } of this.#entries.values()) {
      if (typeof text === "string" && markIn(text) === mark && this.#options.clock.time < until) {
        return { text, writtenAt: this.written.get(mark) ?? Number.POSITIVE_INFINITY };
      }
    }
    return undefined;
  }

  /** @param onRead told of every answer, by its mark, that a read brings to the process */
  connect(onRead: (mark: string) => void): SharedStore {
    let lastApplied = 0;
    const operate = <T>(apply: () => T, lie: () => T): Promise<T> => {
      const { clock, random } = this.#options;
      const fate = random.weighted<Fate>(FATES[this.weather]);
      if (fate === "throw") throw new Error("the store throws");
      if (fate === "error")
        return new Promise((_, reject) => clock.after(random.ms(0, 3), () => reject(new Error("store"))));
      const sendMs = fate === "slow" || fate === "silence" ? random.ms(0, 70) : random.ms(0.125, 2);
      const appliedAt = Math.max(lastApplied, clock.time + sendMs);
      const isCarriedOut = fate !== "silence" || random.chance(0.5);
      if (isCarriedOut) lastApplied = appliedAt;
      const backMs = fate === "slow" ? random.ms(0, 70) : 0;
      return new Promise((resolve) => {
        if (!isCarriedOut) return;
        clock.after(appliedAt - clock.time, () => {
          const result = fate === "lie" ? lie() : apply();
          if (fate === "silence") return;
          if (backMs === 0) resolve(result);
          else clock.after(backMs, () => resolve(result));
        });
      });
    };
    const arrived = (text: unknown) => {
      const mark = typeof text === "string" ? markIn(text) : undefined;
      if (mark) onRead(mark);
      return text;
    };
    const canReadAll = this.#options.random.chance(0.5); // as Redis can; other stores may not
    return {
      get: (key) =>
        operate(
          () => this.#read(key),
          () => this.#lie(key),
        ).then(arrived),
      ...(canReadAll && {
        getAll: (keys: readonly string[]) =>
          operate<unknown[]>(
            () => keys.map((key) => this.#read(key)),
            () => keys.map((key) => this.#lie(key)),
          ).then((texts) => texts.map(arrived)),
      }),
      set: (key, value, ttlMs) =>
        operate<unknown>(
          () => this.#write(key, value, ttlMs),
          () => this.#options.random.chance(0.5) || { not: "a boolean" },
        ),
      delete: (key) =>
        operate<unknown>(
          () => this.#entries.delete(key),
          () => true,
        ),
    };
  }

  #read(key: string): unknown {
    const entry = this.#entries.get(key);
    return entry && this.#options.clock.time < entry.until ? entry.text : undefined;
  }

  #write(key: string, text: string, ttlMs: number): boolean {
    const { clock } = this.#options;
    this.#entries.set(key, { text, until: clock.time + ttlMs });
    const past = this.#past.get(key);
    if (past) past.push(text);
    else this.#past.set(key, [text]);
    const mark = markIn(text);
    if (mark) this.written.set(mark, clock.time);
    return true;
  }

  #lie(key: string): unknown {
    const { random, sealed } = this.#options;
    const text = this.#entries.get(key)?.text;
    const [whereSealed, whereOpen] = sealed ? [2, 0] : [0, 2];
    switch (
      random.weighted({
        miss: 2,
        garbage: 2,
        past: 3,
        expired: 1,
        moved: whereSealed,
        changed: whereSealed,
        prolonged: whereOpen,
      })
    ) {
      case "miss":
        return undefined;
      case "garbage":
        return random.pick(GARBAGE);
      case "past":
        return random.pick(this.#past.get(key) ?? [undefined]);
      case "expired":
        return text;
      case "moved": {
        const others = [...this.#past.keys()].filter((other) => other !== key);
        return others.length === 0 ? undefined : random.pick(this.#past.get(random.pick(others))!);
      }
      case "changed":
        return typeof text === "string" ? changed(text, random) : undefined;
      case "prolonged":
        return prolonged(random.pick(this.#past.get(key) ?? [undefined]));
    }
  }
}

/** As another process may write it, whose TTLs are longer: true, but not for so long. */
function prolonged(text: unknown): unknown {
  return typeof text === "string" ? text.replace(/"expiresAt":[\d.]+/, '"expiresAt":9e15') : undefined;
}

/** Every character of base64url but the last one carries six bits: to change it changes the content. */
function changed(text: string, random: Random): string {
  const at = random.int(text.length - 1);
  return text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
}
