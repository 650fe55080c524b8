import { afterAll, beforeAll, beforeEach, describe, jest, test } from "@jest/globals";
import { startAuthService } from "../../src/testing.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { type AuthProcess, startAuthProcess } from "./auth-process.js";
import { openCaller } from "./caller.js";
import { endure } from "./endure.js";
import { expectBackWithFirstProbe, expectServedBy } from "./expectations.js";
import { fillQueue } from "./fill-queue.js";
import { record } from "./ledger.js";
import { opened } from "./opened.js";
import { everybody } from "./people.js";

jest.setTimeout(30_000);

let grpc: AuthProcess;

beforeAll(async () => {
  grpc = await startAuthProcess({ backlog: 1 }); // a short queue is soon full when nobody accepts
});

beforeEach(() => grpc.revive());

afterAll(() => grpc.close());

interface Fault {
  readonly name: string;
  strike(): unknown;
  heal(): unknown;
}

const FAULTS: readonly Fault[] = [
  { name: "killed, then started again", strike: () => grpc.kill(), heal: () => grpc.restart() },
  { name: "paused, then resumed", strike: () => grpc.pause(), heal: () => grpc.resume() },
  {
    name: "paused with a full queue, so that no connection is made; then killed and started again",
    strike: async () => {
      grpc.pause();
      opened(await fillQueue(grpc.grpc.port));
    },
    heal: () => grpc.restart(),
  },
];

describe("a gRPC server that is", () => {
  test.each(FAULTS)("$name: REST answers, and the first probe after it finds gRPC again", async (fault) => {
    const rest = opened(await startAuthService({ users: everybody() })).upstreams.rest;
    const caller = opened(await openCaller({ grpc: { url: grpc.grpc.url }, rest }));

    const endured = await endure(caller, {
      ...fault,
      servedBy: "grpc",
      opens: "grpc",
    });
    record("gRPC", fault.name, endured.during, { on: "gRPC", ms: endured.backMs });
    expectServedBy("rest", endured.during);
    expectBackWithFirstProbe(endured);
  });

  test("paused for good, while its address leads to another: REST answers, and the first probe finds the other", async () => {
    const healthy = opened(await startAuthService({ users: everybody() }));
    const address = opened(await startTcpProxy(grpc.grpc.port));
    const caller = opened(await openCaller({ grpc: { url: address.url }, rest: healthy.upstreams.rest }));

    const endured = await endure(caller, {
      strike: () => grpc.pause(),
      heal: () => address.heal(Number(new URL(healthy.grpc.url).port)),
      servedBy: "grpc",
      opens: "grpc",
    });
    const fault = "paused for good, then another stands at its address";
    record("gRPC", fault, endured.during, { on: "gRPC", ms: endured.backMs });
    expectServedBy("rest", endured.during);
    expectBackWithFirstProbe(endured);
  });
});
