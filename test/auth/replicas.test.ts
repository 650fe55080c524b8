import { describe, expect, test } from "@jest/globals";
import { assembleAuthClient } from "../../src/auth/create-auth-client.js";
import { networkUpstreams } from "../../src/auth/pipeline.js";
import type { AuthClientEvents, AuthClientOptions } from "../../src/client.js";
import { closedAfterEach } from "../support/after-each.js";
import { FakeReplica } from "../support/fake-replica.js";
import { failure } from "../support/fake-upstream.js";
import { ManualClock } from "../support/manual-clock.js";
import { RecordingLogger } from "../support/recording-logger.js";

const opened = closedAfterEach();
const unavailable = () => failure("grpc", "unreachable");

/** A whole client on replicas in memory. */
function create(urls: readonly string[], options: Partial<AuthClientOptions> = {}) {
  const clock = new ManualClock();
  const logger = new RecordingLogger();
  const replicas: FakeReplica[] = [];
  const client = opened(
    assembleAuthClient(
      { grpc: { url: urls }, cache: { ttlMs: 0 }, clock, logger, random: () => 0, ...options },
      {
        ...networkUpstreams,
        grpc: ({ host }) => {
          const replica = new FakeReplica(`from-${host}`, clock);
          replicas.push(replica);
          return replica.link;
        },
      },
    ),
  );
  const moves: AuthClientEvents["replica"][] = [];
  client.on("replica", (move) => moves.push(move));
  let asked = 0;
  const ask = async (ms = 0) => {
    const answer = client.verifyToken(`token-${asked++}`).then(
      ({ user }) => user.id,
      ({ code }: { code: string }) => code,
    );
    await clock.advance(ms);
    return answer;
  };
  const lines = () => logger.lines.filter((line) => line.includes("replica"));
  return { clock, client, replicas, moves, ask, lines };
}

const FOUR = [0, 1, 2, 3].map((at) => `http://10.0.0.${at}:50051`);

describe("status().grpc", () => {
  test("shows each replica, and how often another one was asked as well", async () => {
    const { client, replicas, ask } = create(FOUR);
    expect(client.status().grpc).toMatchObject({
      url: FOUR.map((url) => `${url}/`).join(","),
      replicas: FOUR.map((url) => ({ address: new URL(url).host, state: "ready", inFlight: 0, outMs: 0 })),
      hedged: 0,
      secondTries: 0,
    });
    const [first, second] = replicas as [FakeReplica, FakeReplica];
    first.behaviour = "hold";
    expect(await ask(100)).toBe("from-10.0.0.1");
    first.behaviour = "answer";
    second.behaviour = unavailable();
    for (let call = 0; call < 4; call++) await ask();
    expect(client.status().grpc).toMatchObject({ hedged: 1, secondTries: 1, breaker: "closed", failures: 0 });
    expect(JSON.parse(JSON.stringify(client.status().grpc?.replicas))).toEqual(client.status().grpc?.replicas);
  });

  test("has none of a custom transport", () => {
    const transport = { unary: () => Promise.reject(new Error()), stream: () => Promise.reject(new Error()) };
    const { client } = create([], { grpc: { transport } });
    const { replicas, hedged, url } = client.status().grpc ?? {};
    expect([replicas, hedged, url]).toStrictEqual([undefined, undefined, undefined]);
  });
});

describe("A replica that goes out", () => {
  test("is one log line, and its return another; once a minute, however often it goes", async () => {
    const { clock, replicas, moves, ask, lines } = create(FOUR);
    const [first] = replicas as [FakeReplica];
    const flap = async () => {
      const before = moves.length;
      first.behaviour = unavailable();
      while (moves.length === before) await ask();
      first.behaviour = "answer";
      await clock.advance(30_000);
      while (moves.length === before + 1) await ask();
    };
    await flap();
    await flap();
    expect(moves.slice(0, 2)).toEqual([
      { upstream: "grpc", address: "10.0.0.0:50051", from: "ready", to: "out", reason: "unreachable (by the test)" },
      { upstream: "grpc", address: "10.0.0.0:50051", from: "out", to: "ready", reason: "it answered" },
    ]);
    expect(moves).toHaveLength(4);
    const both = [
      "warn portero: the replica 10.0.0.0:50051 of grpc is out, others are asked: unreachable (by the test)",
      "info portero: the replica 10.0.0.0:50051 of grpc is back",
    ];
    expect(lines()).toEqual(both);
    await clock.advance(30_000);
    await flap();
    expect(lines()).toEqual([...both, ...both]);
  });

  test("is no log line where all connections lead to one address: the breaker's say it", async () => {
    const { replicas, moves, ask, lines } = create(["http://10.0.0.0:50051"]);
    expect(replicas).toHaveLength(2);
    for (const replica of replicas) replica.behaviour = unavailable();
    while (moves.length === 0) await ask(5000);
    expect([lines(), moves.map(({ to }) => to)]).toEqual([[], ["out"]]);
  });
});
