import { Agent, type ServerResponse } from "node:http";
import { expect, test } from "@jest/globals";
import { AuthService } from "../../gen/auth/auth_service_pb.js";
import { systemClock } from "../../src/runtime/clock.js";
import { createRestUpstream } from "../../src/transport/rest.js";
import { DEFAULT_REST_PATHS } from "../../src/transport/rest-request.js";
import { closedAfterEach } from "../support/after-each.js";
import { startRawRest } from "../support/raw-upstreams.js";
import { until } from "../support/until.js";
import { ANA, json } from "./rest-replies.js";

const opened = closedAfterEach();
const REASON = new Error("not waited for any more");

/** A server, and questions to it that can be ended. */
async function start(agent?: Agent) {
  const server = opened(await startRawRest(json(ANA)));
  const upstream = opened(
    createRestUpstream({
      url: server.url,
      paths: DEFAULT_REST_PATHS,
      maxAnswerBytes: 2048,
      clock: systemClock,
      random: Math.random,
      ...(agent && { agent }),
    }),
  );
  await upstream.warm();
  const controller = new AbortController();
  const ask = ({ signal }: AbortController = controller, token = "t") =>
    upstream.transport.unary(AuthService.method.verifyToken, signal, undefined, undefined, { token });
  /** The tokens that were asked about when a later question has been answered. */
  const sent = async () => {
    await ask(new AbortController(), "later");
    return server.requests.map(({ body }) => JSON.parse(body).token);
  };
  return { server, controller, ask, sent };
}

/** Node's agent, which counts the connections that it makes. */
class CountingAgent extends Agent {
  connections = 0;

  override createConnection(...args: Parameters<Agent["createConnection"]>) {
    this.connections++;
    return super.createConnection(...args);
  }
}

test.each([
  ["has not begun", () => undefined],
  ["has begun", (response: ServerResponse) => response.writeHead(200).write("{")],
])(
  "A request that is ended while its answer %s rejects with the reason, and its connection is closed.",
  async (_when, begin) => {
    const { server, controller, ask } = await start();
    let response: ServerResponse | undefined;
    server.reply = (held) => {
      begin(held);
      response = held;
    };
    const asked = ask();
    await until(() => response !== undefined);
    controller.abort(REASON);
    await expect(asked).rejects.toBe(REASON);
    await until(() => response?.socket?.destroyed !== false);
  },
);

test("One that is ended before it is made is not sent.", async () => {
  const { controller, ask, sent } = await start();
  await ask(new AbortController(), "first"); // which waits for the client to be set up
  const asked = ask();
  controller.abort(REASON);
  await expect(asked).rejects.toBe(REASON);
  expect(await sent()).toEqual(["first", "later"]);
});

test("One that was ended before it was asked is not sent, and has no connection made for it.", async () => {
  const agent = new CountingAgent({ keepAlive: true });
  opened({ close: () => agent.destroy() });
  const { controller, ask, sent } = await start(agent);
  controller.abort(REASON);
  await expect(ask()).rejects.toBe(REASON);
  expect([await sent(), agent.connections]).toEqual([["later"], 1]);
});

test("One that waits for a connection of a given agent rejects when it is ended, and is not sent later.", async () => {
  const agent = new Agent({ maxSockets: 1 });
  opened({ close: () => agent.destroy() });
  const { server, controller, ask, sent } = await start(agent);
  let letGo: (() => void) | undefined;
  server.reply = (response, request) => {
    server.reply = json(ANA);
    letGo = () => json(ANA)(response, request);
  };
  const first = ask(new AbortController(), "first");
  await until(() => letGo !== undefined);
  const second = ask();
  await until(() => Object.values(agent.requests).some((waiting) => waiting?.length === 1));
  controller.abort(REASON);
  await expect(second).rejects.toBe(REASON);
  letGo?.();
  await first;
  expect(await sent()).toEqual(["first", "later"]);
});

test("One whose agent brings no connection rejects when it is ended.", async () => {
  const agent = new Agent();
  let isAsked = false;
  agent.createConnection = () => {
    isAsked = true;
    return undefined as never;
  };
  const { controller, ask } = await start(agent);
  const asked = ask();
  await until(() => isAsked);
  controller.abort(REASON);
  await expect(asked).rejects.toBe(REASON);
});
