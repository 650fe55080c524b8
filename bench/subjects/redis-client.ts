// A client that asks for what Redis knows, in a process of its own: portero, whose own process remembers nothing, or a bare client.
import { createClient } from "@keyv/redis";
import { createAuthClient } from "portero";
import { type AskOptions, type AskSample, keepAsking } from "../kit/ask.js";
import { expose } from "../kit/process.js";
import { distinctToken, subjectOf } from "../kit/tokens.js";

export interface RedisClientOptions {
  readonly kind: "bare" | "portero";
  readonly redisUrl: string;
  /** What portero asks when Redis does not know. */
  readonly grpcUrl: string;
  /** With it portero's entries are sealed. */
  readonly secret?: string;
}

export type RedisClientProcess = {
  /** Puts everything into Redis that will be asked for. */
  fill(): Promise<void>;
  ask(options: AskOptions): Promise<AskSample>;
  /** Where the answers came from, since the last time. */
  takeSources(): { readonly process: number; readonly redis: number; readonly service: number };
};

const TOKENS = Array.from({ length: 100 }, (_, user) => distinctToken(user));
/** Redis may miss some entries at first: a write may take too long, and is given up. */
const PASSES = 20;

await expose<RedisClientOptions, RedisClientProcess>((options) =>
  options.kind === "bare" ? bare(options) : portero(options),
);

async function bare({ redisUrl: url }: RedisClientOptions): Promise<RedisClientProcess> {
  const client = createClient({ url });
  await client.connect();
  const entries = TOKENS.map((token, user) => ({ key: `bare:token:${user}`, content: contentOf(token) }));
  let at = 0;
  const look = async () => {
    at = (at + 1) % entries.length;
    return JSON.parse((await client.get(entries[at]!.key)) as string) as unknown;
  };
  return {
    fill: async () => {
      for (const { key, content } of entries) await client.set(key, JSON.stringify(content));
    },
    ask: (options) => keepAsking(look, options),
    takeSources: () => ({ process: 0, redis: 0, service: 0 }),
  };
}

/** What a cache would hold of a token: as much as portero holds. */
function contentOf(token: string) {
  const { sub: id, org: organizationId, email, permissions, locals } = subjectOf(token)!;
  return { user: { id, organizationId, email, permissions }, locals };
}

async function portero({ redisUrl, grpcUrl, secret }: RedisClientOptions): Promise<RedisClientProcess> {
  const client = createAuthClient({
    grpc: { url: grpcUrl, timeoutMs: 10_000, hedgeMs: 10_000 },
    cache: { redisUrl, ttlMs: 3_600_000, processTtlMs: 0, ...(secret !== undefined && { secret }) },
    logger: false,
  });
  await client.ready();
  let taken = { hits: 0, sharedHits: 0, misses: 0 };
  const takeSources = () => {
    const { hits, sharedHits, misses } = client.status().cache;
    const sources = {
      process: hits - taken.hits,
      redis: sharedHits - taken.sharedHits,
      service: misses - taken.misses,
    };
    taken = { hits, sharedHits, misses };
    return sources;
  };
  let at = 0;
  const look = () => {
    at = (at + 1) % TOKENS.length;
    return client.verifyToken(TOKENS[at]!);
  };
  return {
    fill: async () => {
      for (let pass = 1; pass <= PASSES; pass++) {
        for (const token of TOKENS) await client.verifyToken(token);
        if (takeSources().service === 0) return;
      }
      throw new Error("Redis does not take the entries");
    },
    ask: (options) => keepAsking(look, options),
    takeSources,
  };
}
