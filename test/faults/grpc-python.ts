import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describeWith, type Need } from "../support/needs.js";

const PYTHON = "/usr/bin/python3"; // Debian's, which has Debian's packages
const PROGRAM = fileURLToPath(new URL("grpc-python.py", import.meta.url));
const GRPCIO: Need = {
  what: "gRPC for Python",
  isThere: spawnSync(PYTHON, ["-c", "import grpc"]).status === 0,
  variable: "PORTERO_REQUIRE_GRPCIO",
  missing: "Tests of gRPC in Python skipped: it is not installed (Debian: apt-get install python3-grpcio)",
};

/** See {@link describeWith}. */
export function describeWithGrpcio(name: string, tests: () => void): void {
  describeWith(GRPCIO, name, tests);
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
