import { describe, expect, test } from "@jest/globals";
import { type AuthError, createAuthClient, type GrpcOptions } from "../../src/client.js";
import { closedAfterEach } from "../support/after-each.js";
import {
  answer,
  CODE,
  GRPC,
  goaway,
  headers,
  reset,
  type Script,
  startFrameServer,
  wellBehaved,
} from "../support/frame-server.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { ASKED_AGAIN, BROUGHT_DOWN, IGNORED } from "./frame-rows.js";

const opened = closedAfterEach();
/** Calls in a row without a byte after which a connection is given up. */
const MAX_LOST = 3;
/** Of a client that gives up on nothing by itself: retries, breaker and timeout are out of the way. */
function clientOf(url: string, grpc: Omit<GrpcOptions, "url"> = {}) {
  return opened(
    createAuthClient({
      grpc: { ...ONE_CONNECTION, url, timeoutMs: 10_000, ...grpc },
      retry: { attempts: 1 },
      breaker: { failureThreshold: 1000 },
      cache: { ttlMs: 0 },
      logger: false,
    }),
  );
}

const outcomeOf = (call: Promise<{ source: string }>) =>
  call.then(
    ({ source }) => source,
    ({ code }: AuthError) => code,
  );

describe("a gRPC server that sends", () => {
  test.each(IGNORED)("%s: calls are answered", async (_name, script) => {
    const server = opened(await startFrameServer(script));
    const client = clientOf(server.url);
    const outcomes = [];
    for (let call = 0; call < 3; call++) outcomes.push(await outcomeOf(client.verifyToken("token")));
    expect(outcomes).toEqual(["grpc", "grpc", "grpc"]);
    expect(client.status().grpc?.failures).toBe(0);
  });

  test.each(ASKED_AGAIN)("%s: the call is answered on another connection", async (_name, script) => {
    const server = opened(await startFrameServer(script));
    const client = clientOf(server.url);
    expect(await outcomeOf(client.verifyToken("token"))).toBe("grpc");
    expect(server.connections).toHaveLength(2);
    expect(client.status().grpc?.failures).toBe(0);
  });

  test.each(ASKED_AGAIN)("%s, twice: the call is lost and counts, the next one is answered", async (_name, script) => {
    const server = opened(await startFrameServer(script, script));
    const client = clientOf(server.url);
    expect(await outcomeOf(client.verifyToken("token"))).toBe("auth_unavailable");
    expect(client.status().grpc?.failures).toBe(1);
    expect(await outcomeOf(client.verifyToken("token"))).toBe("grpc");
    expect(server.connections).toHaveLength(3);
  });

  test.each(BROUGHT_DOWN)("%s: calls are answered soon after", async (_name, script) => {
    const server = opened(await startFrameServer(script));
    const client = clientOf(server.url, { timeoutMs: 200 });
    const outcomes = [];
    while (outcomes.length < 10) outcomes.push(await outcomeOf(client.verifyToken("token")));
    expect(outcomes.at(-1)).toBe("grpc");
    expect(outcomes.filter((outcome) => outcome !== "grpc").length).toBeLessThanOrEqual(MAX_LOST);
  });
});

test.each([
  ["RST_STREAM REFUSED_STREAM", (stream: number) => reset(stream, CODE.REFUSED_STREAM)],
  ["GOAWAY", () => goaway(0, CODE.NO_ERROR)],
])(
  "%s behind half an answer is no proof that nobody looked at the call: it is not asked again",
  async (_name, denial) => {
    const script: Script = {
      ...wellBehaved,
      request: (socket, stream) => socket.write(Buffer.concat([headers(stream, GRPC), denial(stream)])),
    };
    const server = opened(await startFrameServer(script));
    const client = clientOf(server.url);
    expect(await outcomeOf(client.verifyToken("token"))).toBe("auth_unavailable");
    expect(server.connections).toHaveLength(1);
  },
);

test("RST_STREAM NO_ERROR without an answer ends the call at once, not at its timeout", async () => {
  const script: Script = {
    ...wellBehaved,
    request: (socket, stream) => socket.write(reset(stream, CODE.NO_ERROR)),
  };
  const server = opened(await startFrameServer(script));
  const client = clientOf(server.url, { timeoutMs: 60_000 });
  expect(await outcomeOf(client.verifyToken("token"))).toBe("auth_unavailable");
  expect(client.status().grpc?.failures).toBe(1);
});

describe("GOAWAY in the middle of four calls", () => {
  async function meet(code: number, last: (first: number) => Buffer[]) {
    const waiting: number[] = [];
    const script: Script = {
      ...wellBehaved,
      request(socket, stream) {
        if (stream === 1) return void socket.write(answer(stream)); // now both know each other's settings
        waiting.push(stream);
        const [first = 0, second = 0] = waiting;
        if (waiting.length === 4) socket.write(Buffer.concat([goaway(second, code), ...last(first), ...last(second)]));
      },
    };
    const server = opened(await startFrameServer(script));
    const client = clientOf(server.url, { timeoutMs: 60_000 });
    await client.verifyToken("token");
    const tokens = ["a", "b", "c", "d"];
    const outcomes = await Promise.all(tokens.map((token) => outcomeOf(client.verifyToken(token))));
    return { outcomes, server, client };
  }

  test("what is not above its last id ends where it is, all else is asked again on another connection", async () => {
    const { outcomes, server, client } = await meet(0, (stream) => [answer(stream)]);
    expect(outcomes).toEqual(["grpc", "grpc", "grpc", "grpc"]);
    expect(server.connections).toHaveLength(2);
    expect(client.status().grpc?.failures).toBe(0);
  });

  test("with an error what is not above its last id is lost, as it may have been processed", async () => {
    const { outcomes, server } = await meet(11, () => []);
    expect(outcomes).toEqual(["auth_unavailable", "auth_unavailable", "grpc", "grpc"]);
    expect(server.connections).toHaveLength(2);
  });
});
