import { describe, expect, jest, test } from "@jest/globals";
import { type FakeAuthService, startAuthService } from "../../src/testing.js";
import { eventually } from "../support/eventually.js";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.js";
import { type Answer, askAtOnce, type Caller, openCaller } from "./caller.js";
import { describeWithGrpcio, startGrpcioServer } from "./grpc-python.js";
import { record } from "./ledger.js";
import { opened } from "./opened.js";
import { everybody } from "./people.js";

jest.setTimeout(60_000);

/** Long enough that a busy machine does not look like a replica that hangs. */
const TIMEOUT_MS = 3000;
const CALLS = 200;
const WARM_UP = 12;

interface Replica {
  readonly service: FakeAuthService;
  readonly network: TcpProxy;
}

/** Four auth services, each behind a network of its own, and a client of all of them with REST behind it. */
async function startFour(timeoutMs = TIMEOUT_MS): Promise<{ replicas: readonly Replica[]; caller: Caller }> {
  const replicas = [];
  for (let at = 0; at < 4; at++) {
    const service = opened(await startAuthService({ users: everybody() }));
    const network = opened(await startTcpProxy(Number(new URL(service.grpc.url).port)));
    replicas.push({ service, network });
  }
  const caller = opened(
    await openCaller({
      grpc: { url: replicas.map(({ network }) => network.url), timeoutMs },
      rest: replicas[0]?.service.upstreams.rest as { url: string },
    }),
  );
  await caller.client.ready();
  for (let call = 0; call < WARM_UP; call++) await askAtOnce(caller);
  for (const { service } of replicas) service.resetCalls();
  return { replicas, caller };
}

async function askInARow(caller: Caller, calls: number): Promise<Answer[]> {
  const answers: Answer[] = [];
  while (answers.length < calls) answers.push(await askAtOnce(caller));
  return answers;
}

async function askInGroups(caller: Caller, calls: number, atOnce: number): Promise<Answer[]> {
  const answers: Answer[] = [];
  while (answers.length < calls) {
    answers.push(...(await Promise.all(Array.from({ length: atOnce }, () => askAtOnce(caller)))));
  }
  return answers;
}

function expectNothingNoticed(during: readonly Answer[], { client, transitions }: Caller): void {
  expect(new Set(during.map(({ status, source }) => `${status} ${source}`))).toEqual(new Set(["200 grpc"]));
  expect(transitions).toEqual([]);
  const { hedged = 0, secondTries = 0, ...grpc } = client.status().grpc ?? {};
  expect(grpc).toMatchObject({ breaker: "closed", failures: 0 });
  expect(hedged + secondTries).toBeLessThanOrEqual(10 + 0.1 * (during.length + WARM_UP));
}

describe("One of four replicas", () => {
  const FAULTS: readonly [name: string, strike: (replica: Replica) => unknown][] = [
    ["is in a black hole", ({ network }) => network.strike({ kind: "black hole" })],
    ["takes every call, and answers none", ({ service }) => service.grpc.hang()],
    ["takes 250 ms for each answer", ({ service }) => service.grpc.delay(250)],
    ["is UNAVAILABLE", ({ service }) => service.grpc.fail()],
    ["is stopped: connections are refused", ({ service }) => service.grpc.stop()],
    ["resets each connection in mid-answer", ({ network }) => network.strike({ kind: "reset", afterBytes: 20 })],
    ["delivers garbage", ({ network }) => network.strike({ kind: "garbage" })],
  ];

  test.each(FAULTS)("%s: no call fails or falls back, and the breaker does not move", async (name, strike) => {
    const { replicas, caller } = await startFour();
    await strike(replicas[1] as Replica);
    const during = [...(await askInARow(caller, CALLS)), ...(await askInGroups(caller, CALLS / 2, 8))];
    record("gRPC", `four replicas, of which one ${name}, ${during.length} calls`, during);
    expectNothingNoticed(during, caller);
    const others = replicas.filter((_, at) => at !== 1).map(({ service }) => service.grpc.calls.total);
    for (const calls of others) expect(calls).toBeGreaterThan(CALLS / 2);
  });

  test("was in a black hole, and is well again: it has its share again", async () => {
    const { replicas, caller } = await startFour();
    const [ill] = replicas as [Replica];
    ill.network.strike({ kind: "black hole" });
    const states = () => caller.client.status().grpc?.replicas?.map(({ state }) => state) ?? [];
    while (!states().includes("out")) await askAtOnce(caller);
    ill.network.heal();
    while (states().includes("out")) await askInARow(caller, 10);
    for (const { service } of replicas) service.resetCalls();
    expectNothingNoticed(await askInARow(caller, CALLS), caller);
    expect(ill.service.grpc.calls.total).toBeGreaterThan(CALLS / 8);
  });
});

test("Four replicas that are restarted one after the other lose no call", async () => {
  const { replicas, caller } = await startFour();
  const during: Answer[] = [];
  const areReady = () => caller.client.status().grpc?.replicas?.every(({ state }) => state === "ready") ?? false;
  for (const { service } of replicas) {
    const asking = askInGroups(caller, 40, 4); // some are under way when it stops
    await service.grpc.stop();
    during.push(...(await asking), ...(await askInGroups(caller, 40, 4)));
    await service.grpc.start();
    await eventually(async () => {
      during.push(...(await askInGroups(caller, 4, 4)));
      return areReady();
    }, "all four are connected to");
  }
  record("gRPC", "four replicas, restarted one after the other", during);
  expectNothingNoticed(during, caller);
});

test("All four replicas well: each has its quarter of the calls", async () => {
  const { replicas, caller } = await startFour();
  expectNothingNoticed(await askInARow(caller, CALLS), caller);
  // As many hedges as a busy machine may bring.
  const { hedged = 0 } = caller.client.status().grpc ?? {};
  for (const { service } of replicas) {
    expect(Math.abs(service.grpc.calls.total - CALLS / 4)).toBeLessThanOrEqual(0.02 * CALLS + hedged);
  }
});

test("Two of four replicas in a black hole: every call has an answer, and when both are out gRPC has all", async () => {
  const { replicas, caller } = await startFour(800);
  const areOut = () => caller.client.status().grpc?.replicas?.filter(({ state }) => state === "out").length === 2;
  for (const { network } of replicas.slice(2)) network.strike({ kind: "black hole" });
  const during: Answer[] = [];
  while (!areOut()) during.push(...(await askInGroups(caller, 8, 8)));
  const after = await askInGroups(caller, CALLS / 2, 8);
  record("gRPC", "four replicas, of which two are in a black hole", [...during, ...after]);
  expect(new Set(during.map(({ status }) => status))).toEqual(new Set([200]));
  expect(new Set(after.map(({ status, source }) => `${status} ${source}`))).toEqual(new Set(["200 grpc"]));
});

test("All four replicas take 250 ms: none goes out, and few calls are made twice", async () => {
  const { replicas, caller } = await startFour();
  for (const { service } of replicas) service.grpc.delay(250);
  const during = await askInGroups(caller, CALLS, 40);
  record("gRPC", `four replicas, all of which take 250 ms for each answer, ${during.length} calls`, during);
  expectNothingNoticed(during, caller);
  expect(caller.client.status().grpc?.replicas?.map(({ state }) => state)).toEqual(Array(4).fill("ready"));
});

describeWithGrpcio("Two replicas in Python beside two of another make", () => {
  test("have a quarter each; one that is killed loses no call", async () => {
    const python = [opened(await startGrpcioServer()), opened(await startGrpcioServer())] as const;
    const node = [];
    for (let at = 0; at < 2; at++) node.push(opened(await startAuthService({ users: everybody() })));
    const urls = [...python, ...node.map(({ grpc }) => grpc)].map(({ url }) => url);
    const rest = node[0]?.upstreams.rest as { url: string };
    const caller = opened(await openCaller({ grpc: { url: urls, timeoutMs: TIMEOUT_MS }, rest }));
    await caller.client.ready();
    for (let call = 0; call < WARM_UP; call++) await askAtOnce(caller);
    for (const service of node) service.resetCalls();
    const well = await askInARow(caller, CALLS / 2);
    const { hedged = 0 } = caller.client.status().grpc ?? {};
    for (const { grpc } of node) expect(Math.abs(grpc.calls.total - CALLS / 8)).toBeLessThanOrEqual(2 + hedged);
    const asking = askInGroups(caller, CALLS, 8);
    await python[0].close();
    const during = [...well, ...(await asking)];
    record("gRPC", "two replicas in Python (grpcio) beside two others, of which one is killed", during);
    expectNothingNoticed(during, caller);
  });
});
