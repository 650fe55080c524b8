import type { ServerResponse } from "node:http";
import { expect, test } from "@jest/globals";
import { AuthService } from "../../gen/auth/auth_service_pb.js";
import { systemClock } from "../../src/runtime/clock.js";
import { createRestUpstream } from "../../src/transport/rest.js";
import { DEFAULT_REST_PATHS } from "../../src/transport/rest-request.js";
import { closedAfterEach } from "../support/after-each.js";
import { settle } from "../support/manual-clock.js";
import { startRawRest } from "../support/raw-upstreams.js";
import { until } from "../support/until.js";
import { ANA, json } from "./rest-replies.js";

const opened = closedAfterEach();
const REASON = new Error("not waited for any more");

/** A server, and a question to it that can be ended. */
async function start() {
  const server = opened(await startRawRest(json(ANA)));
  const upstream = opened(
    createRestUpstream({
      url: server.url,
      paths: DEFAULT_REST_PATHS,
      maxAnswerBytes: 2048,
      clock: systemClock,
      random: Math.random,
    }),
  );
  await upstream.warm();
  const controller = new AbortController();
  const ask = () =>
    upstream.transport.unary(AuthService.method.verifyToken, controller.signal, undefined, undefined, { token: "t" });
  return { server, controller, ask };
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

test("One that is ended before it has a connection is not sent.", async () => {
  const { server, controller, ask } = await start();
  const asked = ask();
  controller.abort(REASON);
  await expect(asked).rejects.toBe(REASON);
  await settle();
  expect(server.requests).toEqual([]);
});

test("One that was ended before it was asked is not sent either.", async () => {
  const { server, controller, ask } = await start();
  controller.abort(REASON);
  await expect(ask()).rejects.toBe(REASON);
  await settle();
  expect(server.requests).toEqual([]);
});
