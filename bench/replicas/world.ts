import { type Process, Processes } from "../kit/process.js";
import type { ReplicaCallerOptions, ReplicaCallerProcess } from "../subjects/replica-caller.js";
import type { ReplicaServersOptions, ReplicaServersProcess } from "../subjects/replica-servers.js";

/** One that calls the replicas, and the number of its crowd. */
export interface Caller {
  readonly crowd: number;
  readonly process: Process<ReplicaCallerProcess>;
}

/** The replicas in one process, and those that call them, each in one of its own. */
export class ReplicaWorld implements AsyncDisposable {
  readonly #processes: Processes;
  readonly #addresses: Awaited<ReturnType<ReplicaServersProcess["addresses"]>>;
  readonly #callers: Caller[] = [];
  #crowds = 0;

  private constructor(
    readonly servers: Awaited<ReturnType<typeof launchServers>>,
    addresses: Awaited<ReturnType<ReplicaServersProcess["addresses"]>>,
    processes: Processes,
  ) {
    this.#addresses = addresses;
    this.#processes = processes;
  }

  static async open(options: ReplicaServersOptions): Promise<ReplicaWorld> {
    const processes = new Processes();
    const servers = await launchServers(processes, options);
    return new ReplicaWorld(servers, await servers.call("addresses"), processes);
  }

  /** @param replicas that its name leads to, by their numbers. Default: the first four */
  async openCaller(
    options: Pick<ReplicaCallerOptions, "kind" | "hedgeMs" | "minConnections">,
    replicas: readonly number[] = FOUR,
  ): Promise<Caller> {
    const crowd = ++this.#crowds;
    const { port, restUrl } = this.#addresses;
    const given: ReplicaCallerOptions = { ...options, crowd, port, restUrl, hosts: this.#hosts(replicas) };
    const module = new URL("../subjects/replica-caller.ts", import.meta.url);
    const caller = { crowd, process: await this.#processes.launch<ReplicaCallerProcess>(module, given) };
    this.#callers.push(caller);
    return caller;
  }

  /** Where the name leads all callers from now on. */
  async resolve(replicas: readonly number[]): Promise<void> {
    await Promise.all(this.#callers.map(({ process }) => process.call("resolve", this.#hosts(replicas))));
  }

  async end(caller: Caller): Promise<void> {
    this.#callers.splice(this.#callers.indexOf(caller), 1);
    await caller.process[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#processes[Symbol.asyncDispose]();
  }

  #hosts(replicas: readonly number[]): string[] {
    return replicas.map((at) => this.#addresses.hosts[at] as string);
  }
}

export const FOUR = [0, 1, 2, 3];

function launchServers(processes: Processes, options: ReplicaServersOptions) {
  return processes.launch<ReplicaServersProcess>(new URL("../subjects/replica-servers.ts", import.meta.url), options);
}
