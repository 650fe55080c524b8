import { MAX_TOMBSTONES } from "../../src/cache/tombstones.js";
import { DEFAULTS } from "../support/defaults.js";
import { Random } from "./random.js";

/** How the simulated store may behave. `honest`: fails, but what it says is true. `lying`: nothing it says need be true. */
export type StoreMode = "none" | "honest" | "lying";

/** How the wall clocks of the processes are: all the same, or each ahead or behind, or set now and then. */
export type Clocks = "one" | "differ" | "set";

/** Whether the processes tell each other of invalidations. `refused`: Redis does not let them. */
export type LogMode = "none" | "stream" | "refused";

/** What a seed is mostly about. */
export type Theme = "mixed" | "breaker" | "invalidation" | "expiry" | "load" | "cache";

/** Everything about a simulated world that does not change while it runs. */
export interface Settings {
  readonly theme: Theme;
  /** Auth services that share one store and know the same tokens, of different users. */
  readonly services: number;
  readonly processes: number;
  /** As given; `undefined` where that upstream is not configured. */
  readonly grpcMs: number | undefined;
  readonly restMs: number | undefined;
  readonly deadlineMs: number | undefined;
  readonly breaker: { readonly failureThreshold: number; readonly windowMs: number; readonly recoveryMs: number };
  readonly retry: { readonly attempts: number; readonly initialDelayMs: number; readonly maxDelayMs: number };
  readonly limit: { readonly maxConcurrent: number; readonly maxQueue: number };
  readonly cache: {
    readonly maxEntries: number;
    readonly maxBytes: number;
    readonly recentBytes: number;
    readonly ttlMs: number;
    readonly localsTtlMs: number;
    readonly permissionsTtlMs: number;
    readonly organizationTtlMs: number;
    readonly refusalTtlMs: number;
    readonly processTtlMs: number;
    readonly staleIfErrorMs: number;
  };
  readonly store: StoreMode;
  /** So many invalidated or refused ids, of each kind, a process remembers one by one. */
  readonly maxTombstones: number;
  readonly secrets: readonly string[];
  readonly headers: "none" | "fixed" | "function";
  /** The services accept a token so long after its `exp`. */
  readonly leewayMs: number;
  readonly users: number;
  readonly tokens: number;
  readonly steps: number;
  readonly clocks: Clocks;
  readonly log: LogMode;
}

const ALL_DEFAULTS = 0.08;

export function drawSettings(random: Random): Settings {
  const theme = random.weighted<Theme>({ mixed: 4, breaker: 2, invalidation: 2, expiry: 1, load: 1, cache: 2 });
  const store = random.weighted<StoreMode>({ none: 4, honest: 4, lying: 2 });
  const services = store !== "none" && random.chance(0.15) ? 2 : 1;
  const upstreams = random.weighted({ both: 7, grpc: 1.5, rest: 1.5 });
  const byDefault = random.chance(ALL_DEFAULTS);
  const headers = random.weighted<Settings["headers"]>({ none: 7, fixed: 2, function: 1 });
  const shortest = headers === "function" || theme === "load" ? 100 : 40;
  const grpcMs = upstreams === "rest" ? undefined : byDefault ? 1000 : random.pick([shortest, 100, 250, 1000]);
  const restMs = upstreams === "grpc" ? undefined : byDefault ? 2000 : random.pick([shortest, 100, 500, 2000]);
  return {
    theme,
    services,
    processes: store === "none" ? 1 : Math.max(services, random.pick([1, 2, 2, 3])),
    grpcMs,
    restMs,
    deadlineMs: byDefault ? undefined : drawDeadline(random, shortest, grpcMs, restMs),
    headers,
    store,
    maxTombstones: store === "lying" || byDefault ? MAX_TOMBSTONES : random.pick([1, 2, 8, 8, 8, MAX_TOMBSTONES]),
    secrets: store === "none" ? [] : drawSecrets(random),
    ...(byDefault ? DEFAULTS : drawTuning(random, theme, store)),
    leewayMs: random.pick([0, 0, 3000, 60_000]),
    users: random.pick([1, 2, 3, 4, 6]),
    tokens: 1 + random.int(theme === "load" ? 20 : 7),
    steps: 10 + random.int(35),
    clocks: random.weighted<Clocks>({ one: 5, differ: store === "none" ? 0 : 2, set: 3 }),
    log: "none",
  };
}

/** The store of some worlds is a Redis, with a log: several processes, which keep what they know for a while. */
function withLog(settings: Settings, random: Random): Settings {
  const log = settings.store === "honest" ? random.weighted<LogMode>({ none: 3, stream: 6, refused: 0.5 }) : "none";
  if (log === "none") return settings;
  const cache = {
    ...settings.cache,
    ttlMs: random.pick([10_000, 60_000, 60_000, 300_000]),
    permissionsTtlMs: random.pick([0, 10_000, 60_000]),
    processTtlMs: random.pick([1000, 30_000, 30_000, 30_000, 60_000]),
    refusalTtlMs: random.pick([0, 50, 1000]),
  };
  const processes = Math.max(settings.processes, settings.services, random.pick([2, 2, 3]));
  return { ...settings, log, processes, cache };
}

type Tuning = Pick<Settings, "breaker" | "retry" | "limit" | "cache">;

function drawTuning(random: Random, theme: Theme, store: StoreMode): Tuning {
  const ttls = {
    breaker: [0, 0, 50, 1000],
    invalidation: [1000, 10_000, 300_000],
    usual: [0, 50, 1000, 10_000, 10_000, 300_000],
  };
  const ttl = () => random.pick(ttls[theme === "breaker" || theme === "invalidation" ? theme : "usual"]);
  const tight = theme === "load" || random.chance(0.2);
  return {
    breaker: {
      failureThreshold: random.pick([1, 2, 3, 5]),
      windowMs: random.pick([100, 1000, 10_000, 60_000]),
      recoveryMs: random.pick([50, 500, 5000, 30_000]),
    },
    retry: {
      attempts: random.pick([1, 2, 3, 5]),
      initialDelayMs: random.pick([0, 10, 50]),
      maxDelayMs: random.pick([10, 200, 1000]),
    },
    limit: tight
      ? { maxConcurrent: random.pick([1, 2, 4, 16]), maxQueue: random.pick([0, 1, 8, 100]) }
      : { maxConcurrent: 256, maxQueue: 1024 },
    cache: {
      maxEntries: random.pick([2, 1000, 1000]),
      maxBytes: random.pick([3000, 67_108_864, 67_108_864, 67_108_864]),
      recentBytes: random.pick([0, 1500, 16_777_216, 16_777_216]),
      ttlMs: ttl(),
      localsTtlMs: ttl(),
      permissionsTtlMs: ttl(),
      organizationTtlMs: ttl(),
      refusalTtlMs: random.pick([0, 50, 1000, 10_000]),
      processTtlMs: store === "none" ? 30_000 : random.pick([0, 50, 1000, 30_000]),
      staleIfErrorMs: random.pick([0, 0, 1000, 60_000]),
    },
  };
}

function drawDeadline(random: Random, shortest: number, grpcMs?: number, restMs?: number): number | undefined {
  if (random.chance(0.6)) return undefined;
  const given = [grpcMs, restMs].filter((ms) => ms !== undefined);
  const sum = given.reduce((total, ms) => total + ms, 0);
  const least = Math.ceil((shortest * sum) / Math.min(...given));
  return Math.ceil(random.ms(least, Math.max(least, 1.5 * sum)));
}

function drawSecrets(random: Random): string[] {
  const secret = (letter: string) => `${letter}0123456789`.repeat(3);
  return random.pick([[], [], [secret("s")], [secret("s"), secret("t")]]);
}

/** Clocks of processes that share a store differ by less than a minute. */
const MOST_AHEAD_MS = 28_000;

/** How far ahead the wall clock of a process goes, when it starts and whenever it is set. */
export function drawAhead(random: Random, { clocks, store }: Settings): number {
  if (clocks === "one") return 0;
  if (store !== "none") return random.ms(0, 2 * MOST_AHEAD_MS) - MOST_AHEAD_MS;
  return random.pick([-1, 1]) * random.pick([0, 500, 2000, 61_000, 3_600_000, 86_400_000]);
}

/** In what order a share is multiplied and divided is nobody's business. */
export const HAIR_MS = 1e-6;

/** The time that each upstream and the whole question get: a short deadline is shared in proportion to the timeouts. */
export function budgets({ grpcMs, restMs, deadlineMs }: Settings) {
  const sum = (grpcMs ?? 0) + (restMs ?? 0);
  const whole = deadlineMs ?? sum;
  const share = (ms: number | undefined) => ms && Math.min(ms, (whole * ms) / sum);
  return { grpcMs: share(grpcMs), restMs: share(restMs), deadlineMs: whole };
}

/** The settings of one process: others on the same store may remember for longer, or for less long. */
export function ownSettings(settings: Settings, random: Random): Settings {
  if (settings.store === "none" || !random.chance(0.2)) return settings;
  const { cache } = settings;
  const own = (ttlMs: number) => Math.ceil(ttlMs * random.pick([0.01, 0.5, 1, 3]));
  const ttls = {
    ttlMs: own(cache.ttlMs),
    localsTtlMs: own(cache.localsTtlMs),
    permissionsTtlMs: own(cache.permissionsTtlMs),
    organizationTtlMs: own(cache.organizationTtlMs),
  };
  return { ...settings, cache: { ...cache, ...ttls } };
}

/** Streams of randomness beside those of the world and the processes, so that a world without a log goes as it always did. */
export const LOG_STREAM = 1000;

/** The settings of a seed, and the source of all that happens in it. */
export function settingsOf(seed: number, hasLog = true): { settings: Settings; random: Random } {
  const random = new Random(seed);
  const settings = drawSettings(random);
  return { settings: hasLog ? withLog(settings, new Random(seed, LOG_STREAM)) : settings, random };
}
