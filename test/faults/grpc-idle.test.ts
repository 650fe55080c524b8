import { once } from "node:events";
import * as http2 from "node:http2";
import { expect, jest, test } from "@jest/globals";
import { startAuthService } from "../../src/testing.js";
import { settle } from "../support/manual-clock.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { type Answer, askAtOnce, openCaller } from "./caller.js";
import { describeWithGrpcio, startGrpcioServer } from "./grpc-python.js";
import { record } from "./ledger.js";
import { opened } from "./opened.js";
import { everybody } from "./people.js";
import { SkippingClock } from "./skipping-clock.js";

jest.setTimeout(30_000);

const IDLE_MS = 10_000;

/** gRPC alone, and one try for each question: nothing hides behind a second one. */
async function openOver(port: number, timeoutMs: number) {
  const network = opened(await startTcpProxy(port));
  const clock = new SkippingClock();
  const caller = opened(
    await openCaller({
      grpc: { url: network.url, timeoutMs },
      retry: { attempts: 1 },
      clock,
    }),
  );
  expect(await askAtOnce(caller)).toMatchObject({ source: "grpc" });
  /** No call comes for a while, and the one before has left the connection. */
  const stayQuiet = async () => {
    await settle();
    clock.skip(IDLE_MS);
  };
  return { network, caller, stayQuiet };
}

const outcomesOf = (during: readonly Answer[]) => during.map(({ status, source }) => `${status} ${source}`);

test.each([
  ["one after the other", false],
  ["at once", true],
])("A balancer that forgets a quiet connection costs no call that comes after it: %s", async (name, atOnce) => {
  const service = opened(await startAuthService({ users: everybody() }));
  const { network, caller, stayQuiet } = await openOver(Number(new URL(service.grpc.url).port), 1000);
  const during: Answer[] = [];
  for (let quietTime = 1; quietTime <= 3; quietTime++) {
    await stayQuiet();
    network.strike({ kind: "black hole" });
    network.heal(); // for new connections
    if (atOnce) during.push(...(await Promise.all(Array.from({ length: 5 }, () => askAtOnce(caller)))));
    else for (let call = 0; call < 5; call++) during.push(await askAtOnce(caller));
    expect(network.connections).toBe(1 + quietTime);
  }
  record(
    "gRPC",
    `gRPC alone, a balancer that forgets its connection in each of 3 quiet times, 5 calls ${name}`,
    during,
  );
  expect(outcomesOf(during)).toEqual(Array.from({ length: 15 }, () => "200 grpc"));
  expect(caller.client.status().grpc).toMatchObject({ breaker: "closed", failures: 0 });
});

/** How many PINGs are in these bytes (RFC 9113 §6.7), answers to some aside: a busy machine sends other frames with them. */
function pingsIn(bytes: Buffer): number {
  let pings = 0;
  let at = bytes.subarray(0, 3).toString() === "PRI" ? 24 : 0;
  while (at + 9 <= bytes.length) {
    if (bytes[at + 3] === 6 && bytes[at + 4] === 0) pings++;
    at += 9 + bytes.readUIntBE(at, 3);
  }
  return pings;
}

/** Tells the code of GOAWAY that a server says to a client which only ever asks whether it is there. */
async function goawayFor(url: string, pings: number): Promise<number | undefined> {
  const session = http2.connect(url);
  let code: number | undefined;
  session
    .on("error", () => undefined)
    .once("goaway", (errorCode) => {
      code = errorCode;
    });
  const closed = new Promise<void>((resolve) => session.once("close", () => resolve()));
  await once(session, "connect");
  const ping = () => new Promise<void>((resolve) => void session.ping(() => resolve()));
  for (let count = 0; count < pings && !session.destroyed; count++) await ping();
  session.close();
  await closed;
  return code;
}

describeWithGrpcio("A gRPC server in Python, behind which nothing is forgotten,", () => {
  test("leaves a connection that was asked after each of 20 quiet times, and one that is asked for no call it does not", async () => {
    const server = opened(await startGrpcioServer());
    const { network, caller, stayQuiet } = await openOver(server.port, 10_000);
    const during: Answer[] = [];
    for (let quietTime = 0; quietTime < 20; quietTime++) {
      await stayQuiet();
      during.push(await askAtOnce(caller));
    }
    record("gRPC", "grpcio (Python), gRPC alone, a call after each of 20 quiet times", during);
    expect(outcomesOf(during)).toEqual(Array.from({ length: 20 }, () => "200 grpc"));
    expect([network.connections, network.asked.reduce((sum, bytes) => sum + pingsIn(bytes), 0)]).toEqual([1, 20]);

    expect(await goawayFor(server.url, 20)).toBe(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });
});
