import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, jest, test } from "@jest/globals";
import {
  END_HEADERS,
  FRAME,
  fields,
  frame,
  goaway,
  type Script,
  settings,
  startFrameServer,
  uint32,
} from "../support/frame-server.js";
import { startTcpGate } from "../support/raw-upstreams.js";
import type { Answer } from "./caller.js";
import { record } from "./ledger.js";
import { opened } from "./opened.js";

jest.setTimeout(30_000);

const PROGRAM = fileURLToPath(new URL("grpc-app-main.ts", import.meta.url));
const PROMISED = { ":method": "GET", ":scheme": "http", ":authority": "localhost", ":path": "/" };
const PUSHED_ID = 2;
const INTERNAL_ERROR = 2;

function promise(stream: number): Buffer {
  return frame(FRAME.PUSH_PROMISE, END_HEADERS, stream, Buffer.concat([uint32(PUSHED_ID), fields(PROMISED)]));
}

const pushing = (...others: readonly Buffer[]): Script => ({
  hello: (socket) => socket.write(settings()),
  request: (socket, stream) => socket.write(Buffer.concat([promise(stream), ...others])),
});

const FAULTS: readonly [name: string, script: Script][] = [
  ["pushes a stream, then says GOAWAY", pushing(goaway(1, INTERNAL_ERROR))],
  ["pushes a stream, then hangs", pushing()],
  [
    "pushes a stream, then resets the connection",
    {
      ...pushing(),
      request: (socket, stream) => socket.write(promise(stream), () => socket.resetAndDestroy()),
    },
  ],
];

/** Until it ends by itself. */
async function run(url: string): Promise<{ code: number | null; answers: readonly Answer[] }> {
  const app = spawn(process.execPath, ["--import", "tsx", PROGRAM, url], { stdio: ["ignore", "pipe", "inherit"] });
  opened({ close: () => app.kill("SIGKILL") });
  const [output, [code]] = await Promise.all([text(app.stdout), once(app, "exit") as Promise<[number | null]>]);
  return { code, answers: output === "" ? [] : (JSON.parse(output) as Answer[]) };
}

describe("An application whose gRPC server", () => {
  test.each(FAULTS)("%s says that the service is unavailable, and lives on", async (name, script) => {
    const server = opened(await startFrameServer(...Array.from({ length: 10 }, () => script)));
    const { code, answers } = await run(server.url);
    expect(code).toBe(0);
    record("gRPC", `gRPC alone, a server that ${name}`, answers);
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503, 503]);
  });

  test("never answers a TLS handshake can end all the same", async () => {
    const gate = opened(await startTcpGate());
    const { code, answers } = await run(gate.url.replace("http:", "https:"));
    expect(code).toBe(0);
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503, 503]);
  });

  test("is well can end without closing its client", async () => {
    const server = opened(await startFrameServer());
    const { code, answers } = await run(server.url);
    expect(code).toBe(0);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  });
});
