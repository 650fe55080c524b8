import { setTimeout as sleep } from "node:timers/promises";
import { startRedisCluster } from "../test/support/redis-cluster.js";
import { redisAvailable, redisRequired, startRedisServer } from "../test/support/redis-process.js";
import type { AskOptions } from "./kit/ask.js";
import type { Bench, Findings } from "./kit/bench.js";
import { compareClients } from "./kit/compare-clients.js";
import { type Process, Processes } from "./kit/process.js";
import { spreadOf } from "./kit/spread.js";
import type { AuthServiceProcess } from "./subjects/auth-service.js";
import type { RedisClientOptions, RedisClientProcess } from "./subjects/redis-client.js";

const SECRET = "of the benches, and at least 32 bytes long";
const NOTHING: Findings = { figures: [], ratios: [], counts: [] };
/** A machine that stalls for 50 ms looks like a dead Redis, which is then left alone for a second. */
const TRIES = 5;
const RECOVERY_MS = 1100;
/** What is collected while many are under way is little: a pause that is longer tells of tables that keep alive what was taken out of them. */
const PAUSE_MS = 4;

export const sharedHit: Bench = {
  name: "shared-hit",
  question: "What does a token cost that only Redis knows?",
  setup:
    "Clients in processes of their own, one Redis on this machine, 100 users with 30 permissions and 20 locals. The bare one of " +
    "`@redis/client` does a `GET` and `JSON.parse` of an entry of the same content; portero's process keeps nothing (`processTtlMs: 0`), " +
    "with and without `cache.secret`, and on a Redis Cluster of three masters. The targets are for one look at a time, which is what a request waits for, " +
    "and for the pauses of the garbage collector (GC) of the client's process, the median of a round's, under many.",
  async run(context) {
    if (!redisAvailable) {
      if (redisRequired) throw new Error("redis-server is not installed, and PORTERO_REQUIRE_REDIS=1 asks for it");
      console.log("   skipped: redis-server is not installed (Debian: apt-get install redis-server)");
      return NOTHING;
    }
    await using redis = await startRedisServer();
    await using cluster = await startRedisCluster({ replicas: false });
    await using processes = new Processes();
    const service = await processes.launch<AuthServiceProcess>(new URL("./subjects/auth-service.ts", import.meta.url));
    const { grpc: grpcUrl } = await service.call("urls");
    const launch = async (options: Pick<RedisClientOptions, "kind" | "secret"> & { redisUrl?: string }) => {
      const client = await processes.launch<RedisClientProcess>(
        new URL("./subjects/redis-client.ts", import.meta.url),
        {
          redisUrl: redis.url,
          grpcUrl,
          ...options,
        } satisfies RedisClientOptions,
      );
      await client.call("fill");
      return client;
    };
    const [bare, plain, sealed, clustered] = await Promise.all([
      launch({ kind: "bare" }),
      launch({ kind: "portero" }),
      launch({ kind: "portero", secret: SECRET }),
      launch({ kind: "portero", redisUrl: cluster.url }),
    ]);
    const sources = { asked: 0, process: 0, redis: 0 };
    /** Looks up again where the service had to answer: that is another question. */
    const undisturbed = (client: Process<RedisClientProcess>) => async (options: AskOptions) => {
      for (let tries = 1; ; tries++) {
        const sample = await client.call("ask", options);
        const { process, redis, service } = await client.call("takeSources");
        sources.asked += sample.asked;
        sources.process += process;
        sources.redis += redis;
        if (service > 0 && tries < TRIES && !context.quick) await sleep(RECOVERY_MS);
        else return sample;
      }
    };
    const clients = {
      "bare @redis/client": (options: AskOptions) => bare.call("ask", options),
      portero: undisturbed(plain),
      "portero, sealed entries": undisturbed(sealed),
      "portero, on a cluster": undisturbed(clustered),
    };
    const { figures, ratios } = await compareClients(
      clients,
      [
        { of: "portero", with: "bare @redis/client", latencyAtMost: 1.3, pauseAtMostMs: PAUSE_MS },
        { of: "portero, sealed entries", with: "bare @redis/client", latencyAtMost: 1.5, pauseAtMostMs: PAUSE_MS },
        { of: "portero, on a cluster", with: "portero", latencyAtMost: 2, timeAtMost: 2 },
      ],
      context,
    );
    const share = (sources.redis / sources.asked) * 100;
    return {
      figures: [...figures, { subject: "portero", what: "answered by Redis, %", spread: spreadOf([share]) }],
      ratios,
      counts: [{ what: "look-ups that the process answered", is: sources.process, target: { exactly: 0 } }],
    };
  },
};
