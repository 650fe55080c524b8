import { describe, expect, test } from "@jest/globals";
import { type AuthClientOptions, createAuthClient } from "../../src/client.js";
import { closedAfterEach } from "../support/after-each.js";
import * as grpcReply from "../support/grpc-replies.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { startRawGrpc, startRawRest } from "../support/raw-upstreams.js";
import { until } from "../support/until.js";
import * as restReply from "./rest-replies.js";

const opened = closedAfterEach();
const TIMEOUT_MS = 30_000;
const RECOVERY_MS = 30_000;
const STRANGERS = 20;

const GRPC = {
  answer: grpcReply.message(grpcReply.user("ana")),
  busy: grpcReply.trailersOnly(8),
  away: grpcReply.trailersOnly(14),
};
const REST = {
  answer: restReply.json(restReply.ANA),
  busy: restReply.status(429),
  busyFor: (seconds: number) => restReply.status(429, { "retry-after": String(seconds) }),
  slow: restReply.status(408),
  away: restReply.status(503),
};

async function start({ sides = ["grpc", "rest"], ...options }: AuthClientOptions & { sides?: string[] } = {}) {
  const clock = new ManualClock();
  const grpc = opened(await startRawGrpc(GRPC.answer));
  const rest = opened(await startRawRest(REST.answer));
  const client = opened(
    createAuthClient({
      ...(sides.includes("grpc") && { grpc: { ...ONE_CONNECTION, url: grpc.url, timeoutMs: TIMEOUT_MS } }),
      ...(sides.includes("rest") && { rest: { url: rest.url, timeoutMs: TIMEOUT_MS } }),
      breaker: { recoveryMs: RECOVERY_MS },
      retry: { attempts: 1 },
      random: () => 0,
      logger: false,
      clock,
      ...options,
    }),
  );
  const moves: string[] = [];
  client.on("breaker", ({ upstream, from, to }) => moves.push(`${upstream}: ${from} → ${to}`));
  let asked = 0;
  /** Each time another token; who answered, or what the caller gets. */
  const ask = () =>
    client.verifyToken(`token-${asked++}`).then(
      ({ source }) => source,
      ({ code, headers }: { code: string; headers: Record<string, string> }) => `${code} ${headers["Retry-After"]}`,
    );
  const states = () =>
    [client.status().grpc, client.status().rest].map((side) => side && [side.breaker, side.failures]);
  return { clock, grpc, rest, client, moves, ask, states };
}

describe("strangers whom both upstreams turn away for the number of their questions", () => {
  test.each(["busy", "slow"] as const)("open no breaker (REST says %s)", async (how) => {
    const { grpc, rest, moves, ask, states } = await start();
    grpc.reply = GRPC.busy;
    rest.reply = REST[how];
    for (let stranger = 0; stranger < STRANGERS; stranger++) expect(await ask()).toBe("auth_unavailable 1");
    expect([grpc.requests.length, rest.requests.length]).toEqual([STRANGERS, STRANGERS]);
    expect(states()).toEqual([
      ["closed", 0],
      ["closed", 0],
    ]);
    grpc.reply = GRPC.answer;
    expect(await ask()).toBe("grpc");
    expect(moves).toEqual([]);
  });

  test("neither add to the failures of an upstream nor wipe them", async () => {
    const { grpc, rest, ask, states } = await start();
    [grpc.reply, rest.reply] = [GRPC.away, REST.away];
    await ask();
    [grpc.reply, rest.reply] = [GRPC.busy, REST.busy];
    for (let stranger = 0; stranger < STRANGERS; stranger++) await ask();
    expect(states()).toEqual([
      ["closed", 1],
      ["closed", 1],
    ]);
  });
});

test("one busy upstream is asked each time, and the other one answers", async () => {
  const { grpc, rest, client, ask, states } = await start();
  const reasons: string[] = [];
  client.on("fallback", ({ reason }) => reasons.push(reason));
  grpc.reply = GRPC.busy;
  for (let call = 0; call < STRANGERS; call++) expect(await ask()).toBe("rest");
  expect([grpc.requests.length, rest.requests.length]).toEqual([STRANGERS, STRANGERS]);
  expect(new Set(reasons)).toEqual(new Set(["busy"]));
  expect(states()[0]).toEqual(["closed", 0]);
});

describe("a probe that finds its upstream busy", () => {
  async function open(side: "grpc" | "rest", sides: string[]) {
    const started = await start({ sides, breaker: { failureThreshold: 1, recoveryMs: RECOVERY_MS } });
    [started.grpc.reply, started.rest.reply] = [GRPC.away, REST.away];
    await started.ask();
    [started.grpc.reply, started.rest.reply] = [GRPC.busy, REST.busy];
    expect(started.client.status()[side]?.breaker).toBe("open");
    await started.clock.advance(RECOVERY_MS);
    started.moves.length = 0;
    return started;
  }

  test.each(["grpc", "rest"] as const)(
    "%s alone: neither closes nor opens it, and the next caller probes",
    async (side) => {
      const { grpc, rest, moves, ask } = await open(side, [side]);
      const raw = side === "grpc" ? grpc : rest;
      raw.requests.length = 0;
      for (let caller = 1; caller <= 3; caller++) {
        expect(await ask()).toBe("auth_unavailable 1");
        expect(raw.requests).toHaveLength(caller);
      }
      expect(moves).toEqual([`${side}: open → half-open`]);
      [grpc.reply, rest.reply] = [GRPC.answer, REST.answer];
      expect(await ask()).toBe(side);
      expect(moves).toEqual([`${side}: open → half-open`, `${side}: half-open → closed`]);
    },
  );

  test("gRPC beside REST: its caller gets REST's answer, and the next one probes", async () => {
    const { grpc, rest, moves, ask } = await open("grpc", ["grpc", "rest"]);
    rest.reply = REST.answer;
    grpc.requests.length = 0;
    for (let caller = 1; caller <= 3; caller++) {
      expect(await ask()).toBe("rest");
      await until(() => grpc.requests.length === caller);
      await settle();
    }
    expect(moves.filter((move) => move.startsWith("grpc"))).toEqual(["grpc: open → half-open"]);
  });
});

describe("Retry-After of a busy upstream", () => {
  const waiting = { sides: ["rest"], retry: { attempts: 2 } };

  test("within the deadline: the question is asked again when it is over", async () => {
    const { clock, rest, ask } = await start(waiting);
    rest.reply = REST.busyFor(2);
    const answer = ask();
    await until(() => rest.requests.length === 1 && clock.pending > 0);
    rest.reply = REST.answer;
    await settle();
    await clock.advance(1999);
    expect(rest.requests).toHaveLength(1);
    await clock.advance(1);
    expect(await answer).toBe("rest");
    expect(rest.requests).toHaveLength(2);
  });

  test("past the deadline: 503 at once, and the caller is told how long", async () => {
    const { rest, ask } = await start(waiting);
    rest.reply = REST.busyFor(45);
    expect(await ask()).toBe("auth_unavailable 45");
    expect(rest.requests).toHaveLength(1);
  });

  test("holds for that question alone: others are asked at once", async () => {
    const { rest, ask, states } = await start(waiting);
    rest.reply = REST.busyFor(45);
    expect(await ask()).toBe("auth_unavailable 45");
    rest.reply = REST.answer;
    expect(await ask()).toBe("rest");
    expect(states()[1]).toEqual(["closed", 0]);
  });
});
