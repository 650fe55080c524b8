// A process whose cache is filled and whose memory is measured: portero's, and beside it an LRU with the same keys and nothing else.
import { hash } from "node:crypto";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { getHeapStatistics } from "node:v8";
import { LRUCache } from "lru-cache";
import { type AuthClient, createAuthClient } from "portero";
import { inMemoryService } from "../kit/in-memory-service.js";
import { nanosOf } from "../kit/micro.js";
import { expose } from "../kit/process.js";
import { shuffle } from "../kit/shuffle.js";
import { distinctToken, garbageToken } from "../kit/tokens.js";

export interface CacheHolderOptions extends CacheLimits {
  /** Users who are verified before anything is measured: what compiling takes is not the cache's. Default 3,000. */
  readonly warmUp?: number;
}

interface CacheLimits {
  readonly maxEntries?: number;
  readonly maxBytes?: number;
}

export type CacheHolderProcess = ReturnType<typeof methodsOf>;

export interface Pour {
  /** Tokens that were never asked about before: of users, or garbage. */
  readonly kind: "valid" | "garbage";
  readonly tokens: number;
}

/** What many new tokens did to a process. All sizes in bytes. */
export interface PourReport {
  readonly letIn: number;
  readonly refused: number;
  /** The resident set on the way: [tokens, bytes]. */
  readonly rss: readonly (readonly [number, number])[];
  /** Before it came, the garbage collected: the resident set, and what of it is in use – the heap, and the buffers outside of it. */
  readonly before: { readonly rss: number; readonly inUse: number };
  readonly inUseAfter: number;
  /** From here on Node would end for want of memory. */
  readonly heapLimit: number;
}

const HOUR_MS = 3_600_000;
/** Questions that are under way at once while a cache is filled. */
const AT_ONCE = 100;
/** Tokens that come at the same moment: as many of strangers as may wait. How many more may be under way depends on the machine. */
const WAVE = 1024;
/** So often the resident set is looked at: after so many answers. */
const LOOK_EACH = 256;
/** Until V8 has given back the pages that it collected. */
const GIVEN_BACK_MS = 250;
/** From here on users are numbered who are not in the cache. */
const STRANGERS = 100_000_000;
/** Tokens whose look-up is measured: of more, the tokens themselves would be the load on memory. */
const PROBES = 10_000;

await expose<CacheHolderOptions, CacheHolderProcess>(async ({ warmUp = 3000, ...limits }) => {
  await using client = createClient({});
  await fill(client, warmUp);
  return methodsOf(limits);
});

function methodsOf(limits: CacheLimits) {
  let client: AuthClient;
  let bare: LRUCache<string, object>;
  let probes: string[] = [];
  let at = 0;
  let lost = 0;
  const next = () => probes[at++ % probes.length]!;
  return {
    /** What a client takes that may hold a single user: it is there however many there are. */
    async fillOne() {
      const before = memory();
      await using one = createClient({ maxEntries: 1 });
      await fill(one, 1);
      return { bytes: memory() - before };
    },
    /** Verifies the tokens of so many users: what the client then takes, and what it says that its cache takes. */
    async fill(users: number) {
      const before = memory();
      client = createClient(limits);
      await fill(client, users);
      const bytes = memory() - before;
      probes = Array.from({ length: Math.min(users, PROBES) }, (_, index) =>
        flat(distinctToken(Math.floor((index * users) / Math.min(users, PROBES)))),
      );
      return { bytes, cache: client.status().cache };
    },
    /** The floor: an LRU that finds the same answers by the same keys. */
    fillBare(users: number) {
      const before = memory();
      bare = new LRUCache({ max: users });
      for (let user = 0; user < users; user++) {
        const token = distinctToken(user);
        bare.set(hash("sha256", token, "base64url"), client.peekToken(token)!);
      }
      return { bytes: memory() - before };
    },
    /** Nanoseconds of a hit, users in an order that no cache of the processor foresees. */
    hit: async (run: { quick: boolean }) => {
      shuffle(probes);
      return nanosOf(() => {
        if (!client.peekToken(next())) lost++;
      }, run);
    },
    bareHit: async (run: { quick: boolean }) => {
      shuffle(probes);
      return nanosOf(() => {
        if (!bare.get(hash("sha256", next(), "base64url"))) lost++;
      }, run);
    },
    cache: () => client.status().cache,
    /** Look-ups that found nothing, though everybody was let in. */
    lost: () => lost,
    async pour({ kind, tokens }: Pour): Promise<PourReport> {
      const inUse = memory();
      await sleep(GIVEN_BACK_MS);
      const before = { rss: process.memoryUsage.rss(), inUse };
      const outcomes: Record<string, number> = {};
      const rss: [number, number][] = [];
      let answered = 0;
      const note = (outcome: string) => {
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        if (++answered % LOOK_EACH === 0) rss.push([answered, process.memoryUsage.rss()]);
      };
      const letIn = () => note("let in");
      const refused = ({ code }: { code: string }) => note(code);
      const tokenAt = kind === "garbage" ? garbageToken : (index: number) => distinctToken(STRANGERS + index);
      for (let start = 0; start < tokens; start += WAVE) {
        const size = Math.min(WAVE, tokens - start);
        await Promise.all(
          Array.from({ length: size }, (_, index) => client.verifyToken(tokenAt(start + index)).then(letIn, refused)),
        );
      }
      return {
        letIn: outcomes["let in"] ?? 0,
        refused: outcomes.invalid_token ?? 0,
        rss,
        before,
        inUseAfter: memory(),
        heapLimit: getHeapStatistics().heap_size_limit,
      };
    },
  };
}

function createClient(limits: CacheLimits): AuthClient {
  return createAuthClient({
    grpc: { transport: inMemoryService({ turn }), timeoutMs: 300_000 }, // a slow machine is no outage
    cache: { ttlMs: 24 * HOUR_MS, ...limits },
    logger: false,
  });
}

async function fill(client: AuthClient, users: number): Promise<void> {
  for (let start = 0; start < users; start += AT_ONCE) {
    const count = Math.min(AT_ONCE, users - start);
    await Promise.all(Array.from({ length: count }, (_, index) => client.verifyToken(distinctToken(start + index))));
  }
}

/** What is in use once the garbage is collected: the heap, and the buffers outside of it. */
function memory(): number {
  if (!globalThis.gc) throw new Error("run it with --expose-gc");
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** One piece, as a header is: a string that was put together is copied when it is first read. */
function flat(text: string): string {
  return Buffer.from(text).toString();
}
