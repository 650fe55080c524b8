import type { RedisStore } from "../../src/cache/redis.js";
import type { LogSurroundings } from "../../src/cache/redis-log.js";
import type { RedisMaster } from "../../src/cache/redis-topology.js";
import type { Clock } from "../../src/runtime/clock.js";
import type { Chronicle } from "./chronicle.js";
import type { Random } from "./random.js";
import { type LinkObserver, type LogWeather, SimulatedLink } from "./redis-link.js";
import { noRights, RedisStreams } from "./redis-streams.js";
import type { SimulatedStore } from "./store.js";
import type { VirtualClock } from "./virtual-clock.js";

/** What a failover may lose: what came within so many milliseconds before. */
const MOST_LOST_MS = 400;
/** A connection of the store is made again after so many milliseconds at most. */
const RECONNECT_MS = 60;

export interface SimulatedRedisOptions {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly chronicle: Chronicle;
  readonly store: SimulatedStore;
  /** Its user may not read the log. */
  readonly refusesStreams: boolean;
}

/** A Redis: the store, and beside it the streams, which go the way of the store when a replica takes over that lacks the last writes. */
export class SimulatedRedis {
  readonly streams: RedisStreams;
  readonly links = new Map<string, SimulatedLink[]>();
  /** Since when its connections have been well; infinite where they are not. */
  calmSince = Number.NEGATIVE_INFINITY;
  #logWeather: LogWeather = "calm";
  /** When entries of a stream were last lost, or the stream itself. */
  disturbedAt = Number.NEGATIVE_INFINITY;
  /** Failovers: when, and what came after that was lost. */
  readonly failovers: { readonly at: number; readonly lostSince: number }[] = [];
  readonly #options: SimulatedRedisOptions;
  readonly #listeners = new Set<() => void>();
  #masters = 1;

  constructor(options: SimulatedRedisOptions) {
    this.#options = options;
    const { clock, store, random } = options;
    this.streams = new RedisStreams(clock, (key, undo) => {
      store.changed(undo);
      this.#wake(key);
    });
    this.streams.aheadMs = random.pick([0, 0, 5000, -5000]);
    store.onBack = () => this.#reconnect();
    store.onAway = () => this.#cutAll();
  }

  get weather(): SimulatedStore["weather"] {
    return this.#options.store.weather;
  }

  get logWeather(): LogWeather {
    return this.#logWeather;
  }

  set logWeather(weather: LogWeather) {
    const isCalm = weather === "calm";
    if (isCalm !== (this.#logWeather === "calm"))
      this.calmSince = isCalm ? this.#options.clock.time : Number.POSITIVE_INFINITY;
    this.#logWeather = weather;
  }

  /** Whether a failover lost what was done between the two times. */
  hasLost(from: number, to: number): boolean {
    return this.failovers.some(({ at, lostSince }) => from <= at && to >= lostSince);
  }

  /** As one process sees it. */
  connect(owner: string, clock: Clock, store: ReturnType<SimulatedStore["connect"]>, observer: LinkObserver) {
    const { random, clock: time, refusesStreams } = this.#options;
    const links: SimulatedLink[] = [];
    this.links.set(owner, links);
    const connected: RedisStore & LogSurroundings = {
      clock,
      store: {
        ...store,
        onConnected: (listener) => {
          this.#listeners.add(listener);
          time.after(random.ms(0.25, 2), listener);
        },
      },
      topology: { masterOf: async () => ({ id: this.#masterId }) as RedisMaster, doubt: () => undefined },
      send: async (_key, words) => {
        observer.told?.(words);
        return store.execute(() => {
          if (refusesStreams && words[0] === "XADD") throw noRights("xadd");
          return this.streams.run(words);
        });
      },
      openLink: async () => {
        const link = new SimulatedLink({ redis: this, random, clock: time, observer, refusesStreams });
        links.push(link);
        return link;
      },
      close: async () => undefined,
    };
    return connected;
  }

  /** The connections of one process end. */
  cut(owner: string, silently: boolean): void {
    for (const link of this.links.get(owner)?.splice(0) ?? []) link.cut(silently);
  }

  /** A replica takes over. It lacks what came last. */
  failOver(): void {
    const { clock, random, store, chronicle } = this.#options;
    const lostSince = clock.time - random.ms(0, MOST_LOST_MS);
    this.failovers.push({ at: clock.time, lostSince });
    this.#masters++;
    this.streams.aheadMs = random.pick([0, 0, 5000, -5000]);
    store.failOver(lostSince);
    this.disturb();
    chronicle.record("", "failover", `lost since ${lostSince}`);
    this.#cutAll();
    this.#reconnect();
  }

  /** Something of a stream was lost. */
  disturb(): void {
    this.disturbedAt = this.#options.clock.time;
  }

  /** Where masters can be told apart; else there is one address for all. */
  get #masterId(): string {
    return this.#options.store.isSealed ? "redis:6379" : `redis-${this.#masters}:6379`;
  }

  #cutAll(): void {
    for (const links of this.links.values())
      for (const link of links.splice(0)) link.cut(this.#options.random.chance(0.3));
  }

  #reconnect(): void {
    const { clock, random } = this.#options;
    for (const listener of this.#listeners) clock.after(random.ms(0.25, RECONNECT_MS), listener);
  }

  #wake(key: string): void {
    for (const links of this.links.values()) for (const link of links) link.wake(key);
  }
}
