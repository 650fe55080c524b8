import { assembleAuthClient } from "../../src/auth/create-auth-client.js";
import type { AuthClientEvents, AuthClientOptions } from "../../src/client.js";
import { closedAfterEach } from "../support/after-each.js";
import { FakeUpstream, watched } from "../support/fake-upstream.js";
import { ManualClock } from "../support/manual-clock.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { RecordingLogger } from "../support/recording-logger.js";

export const RECOVERY_MS = 30_000;

/** Returns a function that makes the whole client, with upstreams in memory in the network's place. Closed after each test. */
export function inMemoryClients() {
  const opened = closedAfterEach();
  return (options: AuthClientOptions = {}) => create(opened, options);
}

function create(opened: ReturnType<typeof closedAfterEach>, options: AuthClientOptions) {
  const clock = new ManualClock();
  const grpc = new FakeUpstream("from-grpc", clock);
  const rest = new FakeUpstream("from-rest", clock);
  const logger = new RecordingLogger();
  const url = "http://auth.invalid";
  const client = opened(
    assembleAuthClient(
      { grpc: { ...ONE_CONNECTION, url }, rest: { url }, clock, logger, random: () => 0, ...options },
      {
        grpc: () => ({
          transport: grpc.transport,
          isReady: true,
          connect: async () => undefined,
          drop: () => undefined,
          renew: () => undefined,
          close: () => undefined,
        }),
        lookup: async () => [{ address: "10.0.0.1" }],
        rest: () => ({
          transport: rest.transport,
          anew: rest.transport,
          renew: () => undefined,
          warm: async () => undefined,
          close: () => undefined,
        }),
      },
    ),
  );
  const moves: string[] = [];
  const fallbacks: AuthClientEvents["fallback"][] = [];
  client.on("breaker", ({ upstream, from, to }) => moves.push(`${upstream}: ${from} → ${to}`));
  client.on("fallback", (details) => fallbacks.push(details));
  let asked = 0;
  /** Each time another token, so that no cache answers. */
  const ask = (call?: { signal?: AbortSignal }) => watched(client.verifyToken(`token-${asked++}`, call));
  const turn = () => clock.advance(0);
  return { clock, grpc, rest, logger, client, moves, fallbacks, ask, turn };
}
