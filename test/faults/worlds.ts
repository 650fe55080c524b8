import { type AuthClient, type AuthClientOptions, createAuthClient } from "../../src/index.js";
import { type FakeAuthService, startAuthService } from "../../src/testing.js";
import { ManualClock } from "../support/manual-clock.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { type RedisServer, startRedisServer } from "../support/redis-server.js";
import { until } from "../support/until.js";
import { ask, askForLocal, askToWrite } from "./asking.js";
import { kept } from "./kept.js";

/** No call ends because the machine is busy. */
const NEVER_MS = 60_000;
/** A code of gRPC. */
const UNIMPLEMENTED = 12;
const ANA = { userId: "ana", organizationId: "org-1" };
const users = { "token-ana": { id: "ana", organizationId: "org-1", permissions: ["read"] } };

/** A client with its auth service, to which something happens. */
export interface World {
  readonly client: AuthClient;
  /** What its clients do in one step. */
  step(): Promise<void>;
  strike(): Promise<void>;
  /** Lets go of what waits. */
  heal?(): void;
  /** The alerts that are to fire for it. */
  readonly alerts: readonly string[];
}

export async function openWorlds(): Promise<ReadonlyMap<string, World>> {
  return new Map(
    await Promise.all(
      Object.entries({ well, bothDown, grpcDown, otherServer, refusals, slow, redisGone, oneReplicaDown }).map(
        async ([name, openWorld]) => [name, await openWorld()] as const,
      ),
    ),
  );
}

/** All is well, with two processes on one Redis; strangers and their bad tokens come now and then. */
async function well(): Promise<World> {
  const service = await startService();
  const redis = await startRedis();
  const cache = { redisUrl: redis.url, ttlMs: 100, maxEntries: 40 };
  const clock = new ManualClock(); // an operation of Redis may take 50 ms: on a busy machine that is no outage
  const [client, other] = [openClient(service, { cache, clock }), openClient(service, { cache, clock })];
  await until(() => [client, other].every((each) => each.status().cache.log === "live"));
  let steps = 0;
  return {
    client,
    alerts: [],
    async step() {
      await usual(service, client);
      await clock.advance(30);
      if (++steps % 4 > 0) return;
      await ask(client, `token-bad-${steps}`);
      await askToWrite(client);
      await other.invalidateUser(ANA);
      await client.invalidateUser(ANA);
    },
    async strike() {},
  };
}

async function bothDown(): Promise<World> {
  const service = await startService();
  const client = openClient(service, { retry: { attempts: 2, initialDelayMs: 1, maxDelayMs: 1 } });
  return {
    client,
    alerts: ["PorteroGrpcLeftAlone", "PorteroServes503"],
    async step() {
      await usual(service, client);
      await askForLocal(client);
    },
    strike: async () => void (await Promise.all([service.grpc.stop(), service.rest.stop()])),
  };
}

async function grpcDown(): Promise<World> {
  const service = await startService();
  const client = openClient(service);
  return {
    client,
    alerts: ["PorteroGrpcLeftAlone"],
    step: () => usual(service, client),
    strike: () => service.grpc.stop(),
  };
}

/** The URL of gRPC leads to another service: it is well, and has no such method. */
async function otherServer(): Promise<World> {
  const service = await startService();
  const client = openClient(service);
  return {
    client,
    alerts: ["PorteroGrpcAnswersNothing"],
    step: () => usual(service, client),
    strike: async () => service.grpc.fail(UNIMPLEMENTED),
  };
}

/** A client of the API has a list of tokens, and tries them all. */
async function refusals(): Promise<World> {
  const service = await startService();
  const client = openClient(service);
  let perStep = 1;
  let tried = 0;
  return {
    client,
    alerts: ["PorteroRefusalsSpike"],
    async step() {
      await usual(service, client);
      await Promise.all(Array.from({ length: perStep }, () => ask(client, `token-tried-${++tried}`)));
    },
    async strike() {
      perStep = 12;
    },
  };
}

/** More is asked than the service can answer: at first for a moment, then for ever. */
async function slow(): Promise<World> {
  const service = await startService();
  const client = openClient(service, { limit: { maxConcurrent: 2 } });
  let hanging: Promise<unknown>[] | undefined;
  return {
    client,
    alerts: ["PorteroQueueing"],
    async step() {
      await ask(client, "token-ana");
      if (!hanging) return void (await Promise.all(Array.from({ length: 4 }, () => ask(client, newToken(service)))));
      if (hanging.length > 0) return;
      hanging = Array.from({ length: 6 }, () => ask(client, newToken(service)));
      await until(() => client.status().upstream.queued > 0);
    },
    async strike() {
      await ask(client, "token-ana"); // known, so that it is let in while the others hang
      service.grpc.hang();
      hanging = [];
    },
    heal: () => service.grpc.allow(),
  };
}

async function redisGone(): Promise<World> {
  const service = await startService();
  const redis = await startRedis();
  const client = openClient(service, { cache: { redisUrl: redis.url }, clock: new ManualClock() });
  await until(() => client.status().cache.log === "live");
  let isGone = false;
  return {
    client,
    alerts: ["PorteroLogBehind", "PorteroSharedCacheGone"],
    async step() {
      await usual(service, client);
      // Two wait to be told.
      await client.invalidateUser(ANA).catch((error) => isGone || Promise.reject(error));
    },
    async strike() {
      isGone = true;
      await redis.kill();
    },
  };
}

/** Two replicas: both are slow for a moment, then one of them fails. Requests see nothing of it. */
async function oneReplicaDown(): Promise<World> {
  const [service, bad] = [await startService(), await startService()];
  const url = [service, bad].map(({ upstreams }) => upstreams.grpc.url);
  const client = openClient(service, { grpc: { url, timeoutMs: NEVER_MS, hedgeMs: 500 }, retry: { attempts: 3 } });
  const askNew = async () => {
    const token = newToken(service);
    bad.allow(token, users["token-ana"]);
    await ask(client, token);
  };
  return {
    client,
    alerts: [],
    async step() {
      for (let times = 0; times < 3; times++) await askNew();
    },
    async strike() {
      for (const { grpc } of [service, bad]) grpc.delay(600);
      await askNew();
      service.grpc.allow();
      bad.grpc.fail();
    },
  };
}

/** A known user comes three times, and two for the first time. */
async function usual(service: FakeAuthService, client: AuthClient): Promise<void> {
  for (let times = 0; times < 3; times++) await ask(client, "token-ana");
  await Promise.all([1, 2].map(() => ask(client, newToken(service))));
}

let count = 0;

/** A token of a user who was not here before. */
function newToken(service: FakeAuthService): string {
  const token = `token-${++count}`;
  service.allow(token, { id: `user-${count}` });
  return token;
}

async function startService(): Promise<FakeAuthService> {
  return kept(await startAuthService({ users }));
}

async function startRedis(): Promise<RedisServer> {
  const redis = await startRedisServer();
  kept({ close: () => redis.kill() });
  return redis;
}

function openClient({ upstreams }: FakeAuthService, options: Partial<AuthClientOptions> = {}): AuthClient {
  const client = createAuthClient({
    grpc: { ...upstreams.grpc, ...ONE_CONNECTION, timeoutMs: NEVER_MS },
    rest: { ...upstreams.rest, timeoutMs: NEVER_MS },
    retry: { attempts: 1 },
    logger: false,
    ...options,
  });
  kept({
    async close() {
      const closed = client.close();
      if (options.clock instanceof ManualClock) await options.clock.advance(1000); // what a store that hangs is granted
      await closed;
    },
  });
  return client;
}
