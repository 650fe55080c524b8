import type { Clock, Timer } from "../runtime/clock.js";
import type { SlotRange } from "./cluster-slots.js";
import type { RedisHost } from "./redis-target.js";
import { idOf } from "./redis-topology.js";
import { NotConnectedError } from "./store-error.js";

export interface ClusterMapOptions {
  /** Of the URL. */
  readonly hosts: readonly RedisHost[];
  /** What a node says of all slots. */
  readonly ask: (host: RedisHost) => Promise<readonly SlotRange[]>;
  readonly onRenewed: (ranges: readonly SlotRange[]) => void;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Between the beginnings of two renewals, in milliseconds. */
const PACE_MS = 1000;
/** While no map was ever got, between attempts, in milliseconds: doubled from one to the next, and half of it by chance. */
const [FIRST_WAIT_MS, MAX_WAIT_MS] = [50, 2000];
/** A node that has not answered for so long is left to it, and another one asked as well, in milliseconds. */
const STAGGER_MS = 150;
/** A renewal may take so long, in milliseconds. */
const RENEWAL_MS = 1500;
/** So many are asked at once, at most. */
const MAX_ASKED = 4;

/** Which master holds which slots. Got at the start, and anew when it is doubted: once in a second, however often that is. */
export class ClusterMap {
  readonly #options: ClusterMapOptions;
  #ranges: readonly SlotRange[] = [];
  #renewal: Promise<void> | undefined;
  /** When the next one may begin. */
  #nextAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #closed = false;
  readonly #pauses = new Map<Timer, () => void>();
  /** Settles when the first attempt has ended; rejects when it failed. */
  readonly ready: Promise<void>;

  constructor(options: ClusterMapOptions) {
    this.#options = options;
    this.ready = this.renew();
    this.ready.catch(() => undefined); // every operation meets the failure, and counts as a miss
  }

  get isKnown(): boolean {
    return this.#ranges.length > 0;
  }

  /** Asks anew, when its time has come; joins a renewal that is due or under way. Rejects when no node gave an answer. */
  renew(): Promise<void> {
    this.#renewal ??= this.#renewNext().finally(() => {
      this.#renewal = undefined;
      if (!this.isKnown && !this.#closed) this.doubt();
    });
    return this.#renewal;
  }

  /** The same, where nothing waits for it. */
  doubt(): void {
    this.renew().catch(() => undefined);
  }

  close(): void {
    this.#closed = true;
    for (const [timer, wake] of this.#pauses) {
      timer.clear();
      wake();
    }
  }

  async #renewNext(): Promise<void> {
    const { clock, random, onRenewed } = this.#options;
    await this.#pause(this.#nextAt - clock.monotonic());
    this.#nextAt = clock.monotonic() + PACE_MS;
    try {
      const ranges = await this.#askAny();
      if (this.#closed) throw new NotConnectedError();
      this.#ranges = ranges;
      onRenewed(ranges);
    } catch (error) {
      const waitMs = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures++) * (0.5 + random() / 2);
      if (!this.isKnown) this.#nextAt = clock.monotonic() + waitMs;
      throw error;
    }
  }

  /** The first answer: a node that is silent holds nothing up. After the end nothing is asked. */
  #askAny(): Promise<readonly SlotRange[]> {
    const candidates = this.#candidates();
    return new Promise((resolve, reject) => {
      let [asked, failed, done] = [0, 0, false];
      let failure: unknown;
      const end = () => {
        done = true;
        reject(new NotConnectedError(failure));
      };
      const next = () => {
        const host = candidates[asked];
        if (done || this.#closed || !host || asked - failed >= MAX_ASKED) return;
        asked++;
        this.#options.ask(host).then(
          (ranges) => {
            done = true;
            resolve(ranges);
          },
          (error) => {
            failed++;
            failure = error;
            if (failed === candidates.length) end();
            else next();
          },
        );
        void this.#pause(STAGGER_MS).then(next);
      };
      next();
      void this.#pause(RENEWAL_MS).then(end);
    });
  }

  /** Masters that are known and hosts of the URL, from any of them on: not always the same one, whose view may be old. */
  #candidates(): RedisHost[] {
    const all = new Map(
      [...this.#ranges.map(({ master }) => master), ...this.#options.hosts].map((host) => [idOf(host), host]),
    );
    const hosts = [...all.values()];
    const from = Math.floor(this.#options.random() * hosts.length);
    return [...hosts.slice(from), ...hosts.slice(0, from)];
  }

  #pause(ms: number): Promise<void> {
    if (ms <= 0 || this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#options.clock.setTimeout(() => {
        this.#pauses.delete(timer);
        resolve();
      }, ms);
      this.#pauses.set(timer, resolve);
    });
  }
}
