// A client that asks the auth service over REST, in a process of its own: portero whose breaker of gRPC is open, or a bare got.
import { createAuthClient } from "portero";
import { keepAsking } from "../kit/ask.js";
import type { AskingProcess } from "../kit/askers.js";
import { bareRest } from "../kit/bare-rest.js";
import { expose } from "../kit/process.js";
import { distinctToken } from "../kit/tokens.js";

export type RestClientKind = "portero" | "bare got";

export interface RestClientOptions {
  readonly kind: RestClientKind;
  readonly restUrl: string;
}

/** More than portero remembers: when a token's turn comes again, it has been forgotten. */
const TOKENS = Array.from({ length: 4000 }, (_, user) => distinctToken(user));
const REMEMBERED = 1000;
/** Never reached, however slow the machine. */
const TIMEOUT_MS = 20_000;
/** Where nothing listens. */
const UNREACHABLE = "http://127.0.0.1:1";

await expose<RestClientOptions, AskingProcess>(async ({ kind, restUrl }) => {
  const verify = kind === "portero" ? await portero(restUrl) : bareRest(restUrl, TIMEOUT_MS);
  let at = 0;
  const askNext = () => {
    at = (at + 1) % TOKENS.length;
    return verify(TOKENS[at]!);
  };
  return { ask: (load) => keepAsking(askNext, load) };
});

async function portero(restUrl: string): Promise<(token: string) => Promise<unknown>> {
  const client = createAuthClient({
    grpc: { url: UNREACHABLE },
    rest: { url: restUrl, timeoutMs: TIMEOUT_MS },
    breaker: { failureThreshold: 1, recoveryMs: 3_600_000 },
    cache: { maxEntries: REMEMBERED },
    logger: false,
  });
  await client.verifyToken(TOKENS[0]!);
  const breaker = client.status().grpc?.breaker;
  if (breaker !== "open") throw new Error(`the breaker of gRPC is ${breaker}`);
  return (token) => client.verifyToken(token);
}
