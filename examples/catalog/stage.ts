import { randomBytes } from "node:crypto";
import * as http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type AuthClient,
  type AuthClientOptions,
  type CacheOptions,
  createAuthClient,
  type GrpcOptions,
} from "portero";
import { type DevAuthService, startDevAuthService } from "./auth-service.js";
import { createCatalog } from "./catalog-service.js";
import { type InstanceProcess, startInstance } from "./instance-process.js";
import { Listener } from "./listener.js";
import { type OwnRedis, startRedis } from "./redis.js";

/** One instance of the catalog, with a client and a memory of its own. */
export interface Catalog {
  readonly url: string;
  readonly client: AuthClient;
}

/** Everything that the demo needs, up and running. */
export interface Stage {
  readonly auth: DevAuthService;
  /** Absent where there is no `redis-server`. */
  readonly redis: OwnRedis | undefined;
  /** @param port 0, the default, = any free one */
  openCatalog(port?: number): Promise<Catalog>;
  /** One more, whose client also asks another replica of the auth service, at that URL. */
  openCatalogOfTwo(replica: string): Promise<Catalog>;
  /** One more, in a process of its own, beside the same Redis. */
  openInstance(redis: OwnRedis): InstanceProcess;
  close(): Promise<void>;
}

const WAIT_MS = 5000;

/** Waits until it is so, for five seconds at most: the caller looks which. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited = 0; waited < WAIT_MS && !(await isSo()); waited += 10) await sleep(10);
}

export interface StageOptions extends Pick<AuthClientOptions, "breaker" | "logger"> {
  /** Of one call to the auth service, on either side, in milliseconds. */
  timeoutMs: number;
}

/** Starts the auth service, and Redis if it can be had. The options are those of every catalog's client. */
export async function startStage({ timeoutMs, ...options }: StageOptions): Promise<Stage> {
  const ends: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  const redis = await startRedis();
  if (redis) ends.push(redis.stop);
  const auth = await startDevAuthService().catch(async (error: unknown) => {
    await close();
    throw error;
  });
  ends.push(auth.stop);
  const secret = randomBytes(32).toString("base64"); // shared by all catalogs

  const open = async (grpc: GrpcOptions, cache: CacheOptions | undefined, port?: number): Promise<Catalog> => {
    const client = createAuthClient({
      ...options,
      grpc: { ...grpc, timeoutMs },
      rest: { url: auth.rest.url, timeoutMs },
      ...(cache && { cache }),
    });
    const listener = new Listener(() => http.createServer(createCatalog(client)), port);
    try {
      await listener.start();
    } catch (error) {
      await client.close();
      throw error;
    }
    ends.push(client.close, () => listener.stop());
    await client.ready();
    await until(() => client.status().cache.shared !== "unavailable");
    return { url: listener.url, client };
  };
  // One connection: its calls are counted, and a second one would be asked beside a slow or returning first.
  const grpc = { url: auth.grpc.url, connections: { min: 1 } };
  return {
    auth,
    redis,
    openCatalog: (port) => open(grpc, redis && { redisUrl: redis.url, secret }, port),
    openCatalogOfTwo: (replica) => open({ url: [auth.grpc.url, replica] }, undefined),
    openInstance({ url }) {
      const instance = startInstance({
        AUTH_GRPC_URL: auth.grpc.url,
        AUTH_REST_URL: auth.rest.url,
        AUTH_GRPC_TIMEOUT: String(timeoutMs / 1000),
        REDIS_URL: url,
        AUTH_CACHE_SECRET: secret,
      });
      ends.push(instance.stop);
      return instance;
    },
    close,
  };
}
