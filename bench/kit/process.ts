import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

type Methods = Record<string, (argument: never) => unknown>;

/** A module that runs in a process of its own, so that it disturbs no other and its CPU time is its own. */
export interface Process<M extends Methods> {
  readonly child: ChildProcess;
  /** Calls what the module exposes. */
  call<K extends keyof M & string>(name: K, argument?: Parameters<M[K]>[0]): Promise<Awaited<ReturnType<M[K]>>>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface LaunchOptions {
  /** The `node` to run it with. Default: this one. */
  readonly node?: string;
  readonly flags?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

interface Question {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

interface Reply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** Starts a module that calls {@link expose}; `argument` is what it is made with. */
export async function launch<M extends Methods>(
  module: URL,
  argument: unknown = {},
  { node, flags = [], env }: LaunchOptions = {},
): Promise<Process<M>> {
  const child = fork(compiled(module), [JSON.stringify(argument)], {
    ...(node !== undefined && { execPath: node }),
    execArgv: [...flags],
    env: { ...process.env, ...env },
    serialization: "advanced", // JSON knows no NaN
  });
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let calls = 0;
  child.on("message", ({ id, result, error }: Reply) => {
    const caller = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) caller?.resolve(result);
    else caller?.reject(new Error(error));
  });
  child.once("exit", (code, signal) => {
    const ended = new Error(`${fileURLToPath(module)} ended with ${code ?? signal}`);
    for (const { reject } of waiting.values()) reject(ended);
  });
  const call = (name: string, given?: unknown) =>
    new Promise<unknown>((resolve, reject) => {
      const id = ++calls;
      waiting.set(id, { resolve, reject });
      child.send({ id, name, argument: given } satisfies Question, (error) => error && reject(error));
    });
  await call("");
  return {
    child,
    call: call as Process<M>["call"],
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGKILL"); // ends a paused process too
      await exited;
    },
  };
}

const ROOT = new URL("../..", import.meta.url).href;

/** Where `scripts/bench.js` puts a module of the benches: in `build`, as it lies here. */
export function compiled({ href }: URL): URL {
  return new URL(`build/${href.slice(ROOT.length).replace(/\.ts$/, ".js")}`, ROOT);
}

/** Processes that end together. */
export class Processes {
  readonly #all: AsyncDisposable[] = [];

  async launch<M extends Methods>(...started: Parameters<typeof launch>): Promise<Process<M>> {
    const process = await launch<M>(...started);
    this.#all.push(process);
    return process;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((process) => process[Symbol.asyncDispose]()));
  }
}

/** Called by the module of a process: makes its methods, and answers calls from now on. */
export async function expose<A, M extends Methods>(make: (argument: A) => M | Promise<M>): Promise<void> {
  const methods = await make(JSON.parse(process.argv[2] ?? "{}") as A);
  process.on("disconnect", () => process.exit(0));
  process.on("message", async ({ id, name, argument }: Question) => {
    const reply = async (): Promise<Reply> => {
      try {
        return { id, result: name === "" ? undefined : await methods[name]!(argument as never) };
      } catch (error) {
        return { id, error: String((error as Error)?.stack ?? error) };
      }
    };
    process.send!(await reply());
  });
}
