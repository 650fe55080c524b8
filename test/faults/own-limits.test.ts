import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, jest, test } from "@jest/globals";
import { startAuthService } from "../../src/testing.js";
import type { Answer } from "./caller.js";
import { record } from "./ledger.js";
import { opened } from "./opened.js";

jest.setTimeout(30_000);

const PROGRAM = fileURLToPath(new URL("own-limits-main.ts", import.meta.url));
/** Enough for Node and its loader. */
const MAX_FILES = 128;

test.each(["grpc", "rest"] as const)(
  "an application that may open no more files does not take it for an outage of %s",
  async (upstream) => {
    const service = opened(await startAuthService({ users: { "token-ana": { id: "ana" } } }));
    const command = `ulimit -n ${MAX_FILES}; exec "$0" "$@"`;
    const app = spawn(
      "sh",
      ["-c", command, process.execPath, "--import", "tsx", PROGRAM, upstream, service[upstream].url],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    opened({ close: () => app.kill("SIGKILL") });
    const [output] = await Promise.all([text(app.stdout), once(app, "exit")]);
    const answers = JSON.parse(output) as Answer[];
    record(upstream === "grpc" ? "gRPC" : "REST", `${upstream} alone, an application out of files`, answers);
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503, 503, 503, 503, 200]);
  },
);
