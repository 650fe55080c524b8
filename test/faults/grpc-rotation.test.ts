import * as grpc from "@grpc/grpc-js";
import { describe, expect, jest, test } from "@jest/globals";
import { startAuthService } from "../../src/testing.js";
import { startGrpcJs } from "../support/grpc-js-server.js";
import { type Answer, askAtOnce, type Caller, openCaller } from "./caller.js";
import { describeWithGrpcio, startGrpcioServer } from "./grpc-python.js";
import { record } from "./ledger.js";
import { opened } from "./opened.js";
import { everybody } from "./people.js";

jest.setTimeout(30_000);

/** Every connection lives so long, which is a fraction of what follows. */
const MAX_AGE_MS = 400;
const FOR_MS = 4000;

async function start(url: string) {
  const rest = opened(await startAuthService({ users: everybody() })).upstreams.rest;
  // Long timeouts: a busy machine is not to look like a lost call.
  return opened(await openCaller({ grpc: { url, timeoutMs: 10_000 }, rest, retry: { attempts: 1 } }));
}

async function startRotating() {
  const users = everybody();
  const server = await startGrpcJs(
    {
      VerifyToken: (call, callback) => {
        const user = users[call.request.token ?? ""];
        if (user) callback(null, { user_id: user.id, is_active: true });
        else callback({ code: grpc.status.UNAUTHENTICATED });
      },
    },
    grpc.ServerCredentials.createInsecure(),
    { "grpc.max_connection_age_ms": MAX_AGE_MS, "grpc.max_connection_age_grace_ms": MAX_AGE_MS },
  );
  opened(server);
  return start(server.url);
}

/** Asks so many at once, again and again. */
async function knock(caller: Caller, atOnce: number, everyMs: number): Promise<Answer[]> {
  const asked: Promise<Answer[]>[] = [];
  const end = performance.now() + FOR_MS;
  while (performance.now() < end) {
    asked.push(Promise.all(Array.from({ length: atOnce }, () => askAtOnce(caller))));
    await new Promise<void>((resolve) => setTimeout(resolve, everyMs));
  }
  return (await Promise.all(asked)).flat();
}

function expectNothingLost(during: readonly Answer[], { client, transitions }: Caller): void {
  expect(new Set(during.map(({ status, source }) => `${status} ${source}`))).toEqual(new Set(["200 grpc"]));
  expect(transitions).toEqual([]);
  expect(client.status().grpc).toMatchObject({ breaker: "closed", failures: 0 });
}

describe("A gRPC server of grpc-js that closes each connection after a while loses no call", () => {
  test("that comes steadily", async () => {
    const caller = await startRotating();
    const during = await knock(caller, 1, 10);
    record("gRPC", `grpc-js closes each connection after ${MAX_AGE_MS} ms, a call every 10 ms`, during);
    expectNothingLost(during, caller);
  });

  test("that comes in bursts", async () => {
    const caller = await startRotating();
    const during = await knock(caller, 32, 50);
    record("gRPC", `grpc-js closes each connection after ${MAX_AGE_MS} ms, 32 calls at once every 50 ms`, during);
    expectNothingLost(during, caller);
  });
});

describeWithGrpcio("A gRPC server in Python", () => {
  test("that closes each connection after a while loses no call", async () => {
    const server = opened(await startGrpcioServer({ maxAgeMs: 1500, graceMs: 500 }));
    const caller = await start(server.url);
    const during: Answer[] = [];
    const end = performance.now() + 6000;
    const one = async () => {
      while (performance.now() < end) during.push(await askAtOnce(caller));
    };
    await Promise.all(Array.from({ length: 8 }, one));
    record("gRPC", "grpcio (Python) closes each connection after 1.5 s, 8 callers", during);
    expectNothingLost(during, caller);
  });
});
