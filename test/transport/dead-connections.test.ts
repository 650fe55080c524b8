import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "@jest/globals";
import { systemClock } from "../../src/runtime/clock.js";
import { GrpcConnection } from "../../src/transport/grpc-connection.js";
import { closedAfterEach } from "../support/after-each.js";
import { goaway, type Script, startFrameServer, wellBehaved } from "../support/frame-server.js";
import { until } from "../support/until.js";

const opened = closedAfterEach();
setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const SCRIPTS: readonly [name: string, script: Script][] = [
  ["was reset under a call", { ...wellBehaved, request: (socket) => socket.resetAndDestroy() }],
  ["was closed under a call", { ...wellBehaved, request: (socket) => socket.destroy() }],
  ["the server said goodbye to", { ...wellBehaved, request: (socket) => socket.end(goaway(0, 0)) }],
];

/** Asks once, and tells when nothing is left of the connection. */
async function askOn(url: string): Promise<WeakRef<GrpcConnection>> {
  let ended = false;
  const options = { tls: undefined, clock: systemClock, pingMs: 500 };
  const connection = new GrpcConnection(new URL(url), options, {
    onMade: () => undefined,
    onAnswer: () => undefined,
    onEnd: () => {
      ended = true;
    },
  });
  await connection.ready();
  const stream = connection.request("POST", "/auth.AuthService/VerifyToken", {});
  stream.on("error", () => undefined).end();
  await until(() => ended);
  return new WeakRef(connection);
}

test.each(SCRIPTS)("nothing keeps a connection in memory that %s", async (_name, script) => {
  const server = opened(await startFrameServer(script));
  const connection = await askOn(server.url);
  await until(() => {
    collectGarbage();
    return connection.deref() === undefined;
  });
  expect(connection.deref()).toBeUndefined();
});
