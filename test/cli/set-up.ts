import type { Server } from "node:net";
import { listen } from "../support/listen.js";
import { afterwards, startService } from "../support/open-client.js";

/** What a set-up gives to `portero doctor`. */
export interface SetUp {
  readonly env: Readonly<Record<string, string>>;
  readonly token?: string;
}

/** A set-up that is broken in one way. */
export interface Broken {
  /** In words. */
  readonly is: string;
  make(): SetUp | Promise<SetUp>;
  /** Ids of the checks that fail, or warn, each once. */
  readonly fails: readonly string[];
  /** Parts of the report: what is wrong, and what to write instead. */
  readonly says: readonly string[];
  /** Default 1. */
  readonly code?: number;
}

export const ANA = { id: "ana", permissions: ["products:read", "products:write"], locals: ["madrid", "sevilla"] };
export const TOKEN = "token-of-ana-0001";
export const SECRET = { AUTH_CACHE_SECRET: "0123456789-abcdefghijklmnop-0123", AUTH_CACHE_NAMESPACE: "test" };

/** A fake auth service, and the variables that lead to it. */
export async function startPair() {
  const service = await startService({
    users: { [TOKEN]: ANA },
    organizations: { "org-1": { modules: ["inventory"] } },
  });
  const env = { AUTH_GRPC_URL: service.grpc.url, AUTH_REST_URL: service.rest.url };
  return { service, env };
}

/** The port of a server that ends with the test. */
export async function portOf(server: Server): Promise<number> {
  const port = await listen(server);
  afterwards(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  return port;
}

export function portIn(url: string): string {
  return new URL(url).port;
}
