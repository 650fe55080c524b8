import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const folder = dirname(fileURLToPath(import.meta.url));

/** The fake auth service in a process of its own. It knows everybody. */
export interface AuthProcess {
  readonly grpc: { readonly url: string; readonly port: number };
  readonly rest: { readonly url: string; readonly port: number };
  /** Stops it where it stands: connections stay open, new ones are accepted by the kernel, and nobody answers. */
  pause(): void;
  resume(): void;
  /** Ends it at once, paused or not. */
  kill(): Promise<void>;
  /** Puts another process in its place, at the same address. */
  restart(): Promise<void>;
  /** Makes it well again, whatever a test did to it. */
  revive(): Promise<void>;
  close(): Promise<void>;
}

/** @param backlog connections that wait to be accepted; the kernel lets no more in. Default: Node's */
export async function startAuthProcess({ backlog }: { backlog?: number } = {}): Promise<AuthProcess> {
  let { child, ports } = await launch({ grpc: 0, rest: 0 }, backlog);
  const side = (port: number) => ({ url: `http://127.0.0.1:${port}`, port });
  const isGone = () => child.exitCode !== null || child.signalCode !== null;
  const kill = async () => {
    if (isGone()) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  };
  const start = async () => {
    ({ child, ports } = await launch(ports, backlog));
  };
  return {
    grpc: side(ports.grpc),
    rest: side(ports.rest),
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    kill,
    async restart() {
      await kill();
      await start();
    },
    async revive() {
      if (isGone()) await start();
      else child.kill("SIGCONT");
    },
    close: kill,
  };
}

interface Ports {
  readonly grpc: number;
  readonly rest: number;
}

async function launch({ grpc, rest }: Ports, backlog = 511): Promise<{ child: ChildProcess; ports: Ports }> {
  const program = join(folder, "auth-process-main.ts");
  const child = spawn(process.execPath, ["--import", "tsx", program, ...[grpc, rest, backlog].map(String)], {
    cwd: join(folder, "..", ".."),
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ports = await new Promise<Ports>((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", (line) => resolve(JSON.parse(line) as Ports));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the auth process ended with ${code} before it was ready`)));
  });
  return { child, ports };
}
