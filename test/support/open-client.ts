import { afterEach } from "@jest/globals";
import { type AuthClient, type AuthClientOptions, createAuthClient } from "../../src/client.js";
import { type FakeAuthService, type FakeAuthServiceOptions, startAuthService } from "../../src/testing.js";
import { ManualClock } from "./manual-clock.js";

/** connect-node and got count real time: long enough that only the manual clock ends a call. */
const UPSTREAM_TIMEOUT_MS = 60_000;
/** More than portero grants an operation of a shared store that hangs. */
const STORE_PATIENCE_MS = 1000;

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Ends what a test has opened, after the test, last opened first. */
export function afterwards(end: () => unknown): void {
  ends.push(end);
}

export async function startService(options: FakeAuthServiceOptions = {}): Promise<FakeAuthService> {
  const service = await startAuthService(options);
  afterwards(() => service.close());
  return service;
}

/** A client of both sides, without jitter, retries and log lines; on a clock that stands still, unless told otherwise. */
export function openClient(
  service: Pick<FakeAuthService, "upstreams">,
  { grpc, rest, ...options }: Partial<AuthClientOptions> = {},
): AuthClient {
  const { upstreams } = service;
  return openBareClient({
    grpc: { ...upstreams.grpc, timeoutMs: UPSTREAM_TIMEOUT_MS, ...grpc },
    rest: { ...upstreams.rest, timeoutMs: UPSTREAM_TIMEOUT_MS, ...rest },
    random: () => 0,
    retry: { attempts: 1 },
    ...options,
  });
}

/** A client of just what it is given. */
export function openBareClient(options: AuthClientOptions): AuthClient {
  const clock = options.clock ?? new ManualClock();
  const client = createAuthClient({ logger: false, ...options, clock });
  afterwards(async () => {
    const closed = client.close();
    if (clock instanceof ManualClock) await clock.advance(STORE_PATIENCE_MS);
    await closed;
  });
  return client;
}
