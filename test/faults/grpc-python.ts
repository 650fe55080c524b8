import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, test } from "@jest/globals";

const PYTHON = "/usr/bin/python3"; // Debian's, which has Debian's packages
const PROGRAM = fileURLToPath(new URL("grpc-python.py", import.meta.url));
const isThere = spawnSync(PYTHON, ["-c", "import grpc"]).status === 0;

/**
 * A `describe` of tests that need gRPC for Python. Without it they are skipped, and one line says so; with `PORTERO_REQUIRE_GRPCIO=1`
 * they fail instead.
 */
export function describeWithGrpcio(name: string, tests: () => void): void {
  if (isThere) return describe(name, tests);
  if (process.env.PORTERO_REQUIRE_GRPCIO === "1") {
    return describe(name, () => {
      test("has gRPC for Python to run against", () => {
        throw new Error("python3-grpcio is not installed, and PORTERO_REQUIRE_GRPCIO=1 asks for it");
      });
    });
  }
  process.stderr.write(
    "Tests of gRPC in Python skipped: it is not installed (Debian: apt-get install python3-grpcio)\n",
  );
  describe.skip(name, tests);
}

export interface GrpcioServer {
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

/** A gRPC server of another make, in a process of its own. It knows everybody; a connection lives for ever by default. */
export async function startGrpcioServer({ maxAgeMs = 0, graceMs = 0 } = {}): Promise<GrpcioServer> {
  const child = spawn(PYTHON, [PROGRAM, String(maxAgeMs), String(graceMs)], { stdio: ["pipe", "pipe", "inherit"] });
  const port = await new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", (line) => resolve(Number(line)));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the server ended with ${code} before it was ready`)));
  });
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
}
