import { GuardedStore } from "../../src/cache/guarded-store.js";
import type { InvalidationLog } from "../../src/cache/invalidation-log.js";
import { createKeyring } from "../../src/cache/keyring.js";
import { ProcessCache } from "../../src/cache/process-cache.js";
import type { AskOptions, Verdict } from "../../src/cache/spec.js";
import { SubjectInvalidations } from "../../src/cache/subject-invalidations.js";
import { TieredCache } from "../../src/cache/tiered-cache.js";
import { Timeline } from "../../src/cache/timeline.js";
import type { ManualClock } from "./manual-clock.js";
import type { MemoryStore } from "./memory-store.js";
import type { TextSpec } from "./text-spec.js";

type Options = ConstructorParameters<typeof TieredCache<string, string, string, string>>[2];

interface CacheParts extends Partial<Omit<Options, "clock">> {
  readonly clock: ManualClock;
  readonly spec: TextSpec;
  /** What the processes share; without it there is no shared cache. */
  readonly memory?: MemoryStore | undefined;
  readonly log?: InvalidationLog | undefined;
  readonly maxEntries?: number;
  readonly maxTombstones?: number;
}

export const unavailable = new Error("the service is unavailable");

/** One kind of answer, cached in a process without a client. */
export function openCache({ clock, spec, memory, log, maxEntries = 10, maxTombstones, ...more }: CacheParts) {
  const keyring = createKeyring({ identity: "shop", secrets: [] });
  const store = memory && new GuardedStore({ store: memory, clock, keyring });
  const timeline = new Timeline(clock);
  const subjects = new SubjectInvalidations({ store, timeline, maxTombstones });
  const options: Options = {
    clock,
    random: () => 0,
    staleIfErrorMs: 0,
    processTtlMs: 60_000,
    couldNotAsk: (error) => error === unavailable,
    refusals: { answered: () => undefined, refused: () => undefined, isRefusing: () => false },
    watch: { asks: (_traits, ask) => ask(undefined) },
    ...more,
  };
  const process = new ProcessCache({ ...options, maxEntries, maxBytes: 100_000, maxPerSubject: 10 });
  const cache = new TieredCache(spec, { process, store, subjects, timeline, log }, options);
  return { cache, timeline, subjects };
}

/** A question to the service, and what it can say. */
interface AskedOfService {
  readonly question: string;
  readonly options: AskOptions;
  readonly answer: (value: string) => void;
  readonly refuse: (reason: string) => void;
  readonly fail: () => void;
}

/** A service whose questions wait until they are answered one by one. */
export function startPatientService() {
  const asked: AskedOfService[] = [];
  const ask: TextSpec["ask"] = (question, options) =>
    new Promise<Verdict<string, string>>((resolve, reject) => {
      const answer = (value: string) => resolve({ kind: "answer", value, source: "grpc" });
      const refuse = (reason: string) => resolve({ kind: "refusal", reason, source: "grpc", isInformed: true });
      asked.push({ question, options, answer, refuse, fail: () => reject(unavailable) });
    });
  return { ask, asked };
}
