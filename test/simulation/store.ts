import type { SharedStore } from "../../src/cache/shared-store.js";
import { markIn } from "./authority.js";
import type { Random } from "./random.js";
import { changed, GARBAGE, prolonged } from "./store-lies.js";
import type { VirtualClock } from "./virtual-clock.js";

/** How the store is at the moment. `late`: far away. `lying` is for stores that need not be believed. */
export type StoreWeather = "calm" | "late" | "slow" | "flaky" | "down" | "silent" | "lying";

interface Entry {
  readonly text: unknown;
  readonly until: number;
}

type Fate = "well" | "late" | "slow" | "error" | "throw" | "silence" | "lie";

const FATES: Readonly<Record<StoreWeather, Readonly<Partial<Record<Fate, number>>>>> = {
  calm: { well: 1 },
  late: { late: 1 },
  slow: { well: 1, slow: 2 },
  flaky: { well: 4, slow: 1, error: 2, throw: 1, silence: 1 },
  down: { error: 3, throw: 1 },
  silent: { silence: 1 },
  lying: { well: 2, lie: 3, error: 0.3 },
};

/** Nothing reaches it. */
const AWAY: readonly StoreWeather[] = ["down", "silent"];
/** A client of Redis gives up a connection on which nothing is answered for so long. */
const SILENCE_MS = 600;
const MOST_CHANGES = 1000;

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
  /** What a failover may undo: the latest changes, where anybody wants to undo them. */
  readonly #changes: { readonly at: number; readonly undo: () => void }[] = [];
  /** Grows with each failover: what was under way then is lost. */
  #epoch = 0;
  /** Told when it can be reached again, and when it cannot be any more. */
  onBack: (() => void) | undefined;
  onAway: (() => void) | undefined;
  readonly #options: SimulatedStoreOptions;

  constructor(options: SimulatedStoreOptions) {
    this.#options = options;
  }

  get weather(): StoreWeather {
    return this.#weather;
  }

  set weather(weather: StoreWeather) {
    if (weather === "calm" && this.#weather !== "calm") this.#calmSince = this.#options.clock.time;
    const [wasAway, isAway] = [AWAY.includes(this.#weather), AWAY.includes(weather)];
    this.#weather = weather;
    this.#wasTroubled ||= weather !== "calm";
    if (wasAway && !isAway) this.onBack?.();
    if (isAway && !wasAway) this.onAway?.();
  }

  get isSealed(): boolean {
    return this.#options.sealed;
  }

  /** Something was changed that a failover may undo. */
  changed(undo: () => void): void {
    if (!this.onBack) return;
    this.#changes.push({ at: this.#options.clock.time, undo });
    if (this.#changes.length > MOST_CHANGES) this.#changes.splice(0, MOST_CHANGES / 2);
  }

  /** Another server has what this one had until then. */
  failOver(since: number): void {
    for (const { at, undo } of this.#changes.splice(0).reverse()) if (at > since) undo();
    this.#epoch++;
    this.#wasTroubled = true;
    if (this.#weather === "calm") this.#calmSince = this.#options.clock.time;
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
  connect(onRead: (mark: string) => void): SharedStore & { execute<T>(apply: () => T): Promise<T> } {
    let lastApplied = 0;
    const operate = <T>(apply: () => T, lie: () => T): Promise<T> => {
      const { clock, random } = this.#options;
      const epoch = this.#epoch;
      const fate = random.weighted<Fate>(FATES[this.weather]);
      if (fate === "throw") throw new Error("the store throws");
      if (fate === "error")
        return new Promise((_, reject) => clock.after(random.ms(0, 3), () => reject(new Error("store"))));
      const isSlow = fate === "slow" || fate === "silence";
      const sendMs = isSlow ? random.ms(0, 70) : fate === "late" ? random.ms(10, 18) : random.ms(0.125, 2);
      const appliedAt = Math.max(lastApplied, clock.time + sendMs);
      const isCarriedOut = fate !== "silence" || random.chance(0.5);
      if (isCarriedOut) lastApplied = appliedAt;
      const backMs = fate === "slow" ? random.ms(0, 70) : fate === "late" ? random.ms(10, 18) : 0;
      return new Promise((resolve, reject) => {
        if (fate === "silence" && this.onBack)
          clock.after(SILENCE_MS, () => reject(new Error("the connection was lost")));
        if (!isCarriedOut) return;
        clock.after(appliedAt - clock.time, () => {
          if (epoch !== this.#epoch) return reject(new Error("the connection was lost"));
          try {
            const result = fate === "lie" ? lie() : apply();
            if (fate === "silence") return;
            if (backMs === 0) resolve(result);
            else clock.after(backMs, () => resolve(result));
          } catch (error) {
            reject(error);
          }
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
          () => this.#delete(key),
          () => true,
        ),
      execute: (apply) => operate(apply, apply),
    };
  }

  #read(key: string): unknown {
    const entry = this.#entries.get(key);
    return entry && this.#options.clock.time < entry.until ? entry.text : undefined;
  }

  #write(key: string, text: string, ttlMs: number): boolean {
    const { clock } = this.#options;
    this.#undoable(key);
    this.#entries.set(key, { text, until: clock.time + ttlMs });
    const past = this.#past.get(key);
    if (past) past.push(text);
    else this.#past.set(key, [text]);
    const mark = markIn(text);
    if (mark) this.written.set(mark, clock.time);
    return true;
  }

  #delete(key: string): boolean {
    this.#undoable(key);
    return this.#entries.delete(key);
  }

  #undoable(key: string): void {
    const before = this.#entries.get(key);
    this.changed(() => void (before ? this.#entries.set(key, before) : this.#entries.delete(key)));
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
