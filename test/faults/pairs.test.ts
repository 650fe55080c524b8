import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { startAuthService } from "../../src/testing.js";
import { eventually } from "../support/eventually.js";
import { describeWithRedis, startRedisServer } from "../support/redis-server.js";
import { type NetworkFault, startTcpProxy } from "../support/tcp-proxy.js";
import { type AuthProcess, startAuthProcess } from "./auth-process.js";
import { openCaller } from "./caller.js";
import { meetSomebody, recovery, wave } from "./endure.js";
import { expectBack, expectOutage, expectOutageForGoodTokens, expectServedBy } from "./expectations.js";
import { startGrpcServer } from "./grpc-server.js";
import { record } from "./ledger.js";
import { noLongerWell } from "./no-longer-well.js";
import { opened } from "./opened.js";
import { everybody } from "./people.js";
import { BROKEN, BUSY, UNREACHABLE } from "./rest-faults.js";
import { type RestFront, startRestFront } from "./rest-front.js";

jest.setTimeout(30_000);

let grpc: AuthProcess;
beforeAll(async () => {
  grpc = await startAuthProcess();
});
beforeEach(() => grpc.revive());
afterAll(() => grpc.close());

interface Fault {
  readonly url: string;
  /** It cannot say yes any more, but no. */
  readonly canRefuse?: boolean;
  strike(): unknown;
  heal(): unknown;
}

/** Those of one row befall servers of their own, at once: most of the time they wait. */
const GRPC_FAULTS: readonly Readonly<Record<string, () => Fault | Promise<Fault>>>[] = [
  {
    killed: () => ({ url: grpc.grpc.url, strike: grpc.kill, heal: grpc.restart }),
  },
  {
    paused: () => ({ url: grpc.grpc.url, strike: grpc.pause, heal: grpc.resume }),
    "behind a black hole": () => behindNetwork({ kind: "black hole" }),
    "sending garbage": () => behindNetwork({ kind: "garbage" }),
    "giving answers over the limit": async () => {
      const server = opened(await startGrpcServer());
      const pad = (bytes: number) => () => {
        server.padding = bytes;
      };
      return { url: server.url, canRefuse: true, strike: pad(MAX_ANSWER_BYTES), heal: pad(0) };
    },
  },
];
const MAX_ANSWER_BYTES = 4096;

async function behindNetwork(fault: NetworkFault): Promise<Fault> {
  const network = opened(await startTcpProxy(opened(await startGrpcServer()).port));
  return { url: network.url, strike: () => network.strike(fault), heal: () => network.heal() };
}

const restFault = (fault: Parameters<RestFront["strike"]>[0]) => ({
  strike: (rest: RestFront) => rest.strike(fault),
  heal: (rest: RestFront) => rest.heal(),
});
const REST_FAULTS: Readonly<Record<string, { strike(rest: RestFront): unknown; heal(rest: RestFront): unknown }>> = {
  killed: { strike: (rest) => rest.stop(), heal: (rest) => rest.start() },
  hung: restFault(UNREACHABLE["hung before the headers"]),
  "answering 429": restFault(BUSY["429 with Retry-After"]),
  "answering 500": restFault(BROKEN["500"]),
  "answering with truncated JSON": restFault(BROKEN["truncated JSON"]),
};

describe("gRPC and REST at once: 503 for whom nobody remembers, then whoever is back first answers", () => {
  test.each(GRPC_FAULTS.map((faults) => ({ names: Object.keys(faults).join(" | "), faults })))(
    "gRPC $names, and REST with each of its faults",
    async ({ faults }) => {
      const series = await Promise.all(
        Object.entries(faults).map(async ([name, prepare]) => endurePairs(name, await prepare())),
      );
      for (const { name, during, onRest, onGrpc } of series.flat()) {
        record("Two at once", name, during, { on: "REST", ms: onRest.backMs }, { on: "gRPC", ms: onGrpc.backMs });
      }
      for (const { canRefuse, during, onRest, onGrpc } of series.flat()) {
        (canRefuse ? expectOutageForGoodTokens : expectOutage)(during);
        expectBack(onRest);
        expectBack(onGrpc);
      }
    },
  );
});

test("gRPC and REST hung, and no breaker that opens: 503 at the deadline, though everything could be tried again", async () => {
  const rest = opened(await startRestFront());
  const breaker = { failureThreshold: 1000 };
  const caller = opened(
    await openCaller({ grpc: { url: grpc.grpc.url }, rest: { url: rest.url, timeoutMs: 300 }, breaker }),
  );
  const known = await meetSomebody(caller, "grpc");
  await grpc.pause();
  await rest.strike(UNREACHABLE["hung before the headers"]);

  expectOutage(await wave(caller, known));
});

/** One gRPC server, and a client with a REST server of its own for each fault there. */
async function endurePairs(grpcFault: string, { url, canRefuse = false, strike, heal }: Fault) {
  const pairs = await Promise.all(
    Object.entries(REST_FAULTS).map(async ([restFault, fault]) => {
      const rest = opened(await startRestFront());
      const options = { grpc: { url }, rest: { url: rest.url, timeoutMs: 300 }, maxAnswerBytes: MAX_ANSWER_BYTES };
      const caller = opened(await openCaller(options));
      const known = await meetSomebody(caller, "grpc");
      return { name: `gRPC ${grpcFault}, REST ${restFault}`, canRefuse, fault, rest, caller, known };
    }),
  );
  await strike();
  const suffered = await Promise.all(
    pairs.map(async ({ fault, rest, caller, known, ...pair }) => {
      await fault.strike(rest);
      const during = [...(await wave(caller, known)), ...(await wave(caller, known))];
      await fault.heal(rest);
      return { ...pair, caller, during, onRest: await recovery(caller, "rest") };
    }),
  );
  await heal();
  return Promise.all(suffered.map(async (pair) => ({ ...pair, onGrpc: await recovery(pair.caller, "grpc") })));
}

/** An auth service, one side of which is out of order, and who answers meanwhile. */
interface Half {
  readonly name: string;
  readonly upstreams: { readonly grpc: { url: string }; readonly rest: { url: string } };
  readonly servedBy: "grpc" | "rest";
  strike(): unknown;
  heal(): unknown;
}

async function startHalves(): Promise<Half[]> {
  const start = async () => opened(await startAuthService({ users: everybody() }));
  const [withoutGrpc, withoutRest] = [await start(), await start()];
  return [
    {
      name: "gRPC killed",
      upstreams: withoutGrpc.upstreams,
      servedBy: "rest",
      strike: () => withoutGrpc.grpc.stop(),
      heal: () => withoutGrpc.grpc.start(),
    },
    {
      name: "gRPC paused",
      upstreams: { grpc: { url: grpc.grpc.url }, rest: withoutGrpc.upstreams.rest },
      servedBy: "rest",
      strike: grpc.pause,
      heal: grpc.resume,
    },
    {
      name: "REST killed",
      upstreams: withoutRest.upstreams,
      servedBy: "grpc",
      strike: () => withoutRest.rest.stop(),
      heal: () => withoutRest.rest.start(),
    },
  ];
}

describeWithRedis("Redis and an upstream at once: the other upstream answers, and everything is back", () => {
  test.each(["killed", "paused"])("Redis %s", async (redisFault) => {
    const redis = await startRedisServer();
    opened({ close: () => redis.kill() });
    const halves = await Promise.all(
      (await startHalves()).map(async (half) => {
        const caller = opened(await openCaller({ ...half.upstreams, cache: { redisUrl: redis.url } }));
        const known = await meetSomebody(caller, "grpc");
        await eventually(() => caller.client.status().cache.shared === "available", "the shared cache is there");
        return { ...half, caller, known };
      }),
    );
    await (redisFault === "killed" ? redis.kill() : redis.pause());
    await noLongerWell();
    const suffered = await Promise.all(
      halves.map(async ({ name, servedBy, strike, heal, caller, known }) => {
        await strike();
        const during = [...(await wave(caller, known)), ...(await wave(caller, known))];
        const shared = caller.client.status().cache.shared;
        await heal();
        return { name, servedBy, during, shared, back: await recovery(caller, "grpc") };
      }),
    );
    for (const { name, during, back } of suffered) {
      record("Two at once", `${name}, Redis ${redisFault}`, during, { on: "gRPC", ms: back.backMs });
    }
    for (const { servedBy, during, shared, back } of suffered) {
      expectServedBy(servedBy, during);
      expect(shared).toBe("unavailable");
      expectBack(back);
    }
    await (redisFault === "killed" ? redis.start() : redis.resume());
    for (const { caller } of halves) {
      await eventually(async () => {
        await caller.ask();
        return caller.client.status().cache.shared === "available";
      }, "the shared cache is back");
    }
  });
});
