import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** An instance of the catalog that is a process of its own. */
export interface Instance {
  readonly url: string;
  /** What `client.status()` says there. */
  status(): Promise<{ readonly cache: { readonly log: string; readonly heard: number } }>;
}

export interface InstanceProcess {
  /** Resolves when it is up. */
  readonly ready: Promise<Instance>;
  stop(): Promise<void>;
}

const PROGRAM = fileURLToPath(new URL("./instance.ts", import.meta.url));

/** Starts it. What it prints goes where this process prints. */
export function startInstance(env: Readonly<Record<string, string>>): InstanceProcess {
  // With the flags of this process, by which Node can read TypeScript.
  const child = spawn(process.execPath, [...process.execArgv, PROGRAM], {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const ready = new Promise<Instance>((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", (url) =>
      resolve({
        url,
        status: async () => (await (await fetch(`${url}/health`)).json()) as Awaited<ReturnType<Instance["status"]>>,
      }),
    );
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the second process ended with ${code} before it was up`)));
  });
  ready.catch(() => undefined); // the step that needs it says so
  return {
    ready,
    async stop() {
      child.stdin.end();
      await exited;
    },
  };
}
