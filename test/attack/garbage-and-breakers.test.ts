import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "@jest/globals";
import { startGrpcJs } from "../support/grpc-js-server.js";
import { ManualClock } from "../support/manual-clock.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { afterwards, openClient, startService } from "../support/open-client.js";
import { until } from "../support/until.js";

const TIMEOUT_MS = 500;
const SECOND_MS = 1000;
const THRESHOLD = 5;
const RECOVERY_MS = 30_000;
const people = Array.from({ length: 20 }, (_, index) => `token-${index}`);

/** gRPC hangs at the tokens that REST knows, and refuses all others at once. */
async function open() {
  const service = await startService({
    users: Object.fromEntries(people.map((token) => [token, { id: `user of ${token}` }])),
  });
  let hung = 0;
  let refused = 0;
  const grpc = await startGrpcJs({
    VerifyToken({ request: { token } }, callback) {
      if (token?.startsWith("token-")) return void hung++;
      refused++;
      callback({ code: status.UNAUTHENTICATED });
    },
  });
  afterwards(grpc.close);
  const clock = new ManualClock();
  const client = openClient(service, {
    clock,
    grpc: { ...ONE_CONNECTION, url: grpc.url, timeoutMs: TIMEOUT_MS },
    cache: { refusalTtlMs: 0 },
    deadlineMs: 60_000,
  });
  const garbage = () => client.verifyToken("garbage").catch(({ code }) => code);
  /** What a user gets, who waits for gRPC's timeout where gRPC is asked. */
  const visit = async (token: string | undefined) => {
    const [asked, before] = [client.verifyToken(token as string), hung];
    let done = false;
    void asked.finally(() => {
      done = true;
    });
    await until(() => done || hung > before);
    if (!done) await clock.advance(TIMEOUT_MS);
    return (await asked).source;
  };
  const state = () => client.status().grpc;
  return { clock, state, garbage, visit, counts: () => ({ hung, refused }) };
}

describe("A gRPC that hangs at good tokens, while it refuses one garbage token a second,", () => {
  test("is left alone after as many failures as open a breaker", async () => {
    const { clock, state, garbage, visit, counts } = await open();
    for (let second = 1; second <= THRESHOLD; second++) {
      expect(state()).toMatchObject({ breaker: "closed", failures: second - 1 });
      expect(await garbage()).toBe("invalid_token");
      expect(await visit(people[second])).toBe("rest");
      await clock.advance(SECOND_MS);
    }
    expect(state()?.breaker).toBe("open");
    expect(await visit(people[10])).toBe("rest");
    expect(counts()).toEqual({ hung: THRESHOLD, refused: THRESHOLD });
  });

  test("is on trial when garbage was its probe: the next failure is enough", async () => {
    const { clock, state, garbage, visit, counts } = await open();
    for (const token of people.slice(0, THRESHOLD)) await visit(token);
    await clock.advance(RECOVERY_MS);
    expect(await garbage()).toBe("invalid_token");
    await until(() => counts().refused > 0 && state()?.breaker !== "half-open");
    expect(state()).toMatchObject({ breaker: "closed", failures: THRESHOLD - 1 });
    await visit(people[10]);
    expect([state()?.breaker, counts().hung]).toEqual(["open", THRESHOLD + 1]);
  });
});
