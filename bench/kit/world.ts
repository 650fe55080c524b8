import type { AuthClient } from "portero";
import type { AuthServiceProcess } from "../subjects/auth-service.js";
import type { Context } from "./bench.js";
import { Course } from "./course.js";
import { Processes } from "./process.js";
import { recordTimeline } from "./timeline.js";
import { distinctToken } from "./tokens.js";

/** A new user, and a batch of those who are known, at every tick. */
export const EVERY_MS = 5;
export const HITS_PER_TICK = 50;
const KNOWN_USERS = 100;
/** Where no breaker of an upstream opens, that of the shared cache has done so by then, in milliseconds after the fault. */
const SETTLED_MS = 1000;
/**
 * In milliseconds: from when to when the fault lasts, and when all is over. A fault outlasts two timeouts of gRPC and `SETTLED_MS`: the
 * calls that are cut off when a silent connection is given up count nothing, and the next one must prove to be silent too.
 */
const FULL = { everyMs: EVERY_MS, from: 4000, to: 12_000, lengthMs: 18_000 };
const QUICK = { everyMs: 4 * EVERY_MS, from: 300, to: 3300, lengthMs: 3500 };

interface Upstream {
  readonly url: string;
  pause(): unknown;
  resume(): unknown;
}

/** What happens, and who is asked beside portero. */
export interface Plan<S extends string> {
  readonly beside: Readonly<Record<S, () => Promise<unknown>>>;
  fault(): unknown;
  relief(): unknown;
}

/** Two upstreams in processes of their own, and the users who come. */
export class World {
  readonly #processes: Processes;
  #newcomers = KNOWN_USERS;

  private constructor(
    readonly grpc: Upstream,
    readonly rest: Upstream,
    processes: Processes,
  ) {
    this.#processes = processes;
  }

  static async open(): Promise<World> {
    const processes = new Processes();
    const [grpc, rest] = await Promise.all([launchUpstream(processes, "grpc"), launchUpstream(processes, "rest")]);
    return new World(grpc, rest, processes);
  }

  /** The token of a user who never came before. */
  newcomer(): string {
    return distinctToken(this.#newcomers++);
  }

  /** Lets users come while the plan's fault begins and ends. */
  async endure<S extends string>(title: string, client: AuthClient, { quick, progress }: Context, plan: Plan<S>) {
    progress(title);
    const known = Array.from({ length: KNOWN_USERS }, (_, user) => distinctToken(user));
    await client.ready();
    for (const token of known) await client.verifyToken(token);
    const { everyMs, from, to, lengthMs } = quick ? QUICK : FULL;
    const started = performance.now();
    let settled = from + SETTLED_MS;
    const opened = new Set<string>();
    let cacheLost = false;
    client.on("cache", ({ available }) => {
      cacheLost ||= !available;
    });
    client.on("breaker", ({ upstream, to: state }) => {
      if (state !== "open" || opened.has(upstream)) return; // a probe that failed opens it again
      opened.add(upstream);
      settled = Math.max(settled, performance.now() - started);
    });
    let missed = 0;
    let at = 0;
    const hits = () => {
      for (let hit = 0; hit < HITS_PER_TICK; hit++) {
        at = (at + 1) % KNOWN_USERS;
        if (!client.peekToken(known[at]!)) missed++;
      }
    };
    const requests = {
      ...plan.beside,
      portero: () => client.verifyToken(this.newcomer()),
      "cached users": hits,
    } as Readonly<Record<S | "portero" | "cached users", () => unknown>>;
    const events = [
      { at: from, run: plan.fault },
      { at: to, run: plan.relief },
    ];
    const moments = await recordTimeline({ requests, everyMs, lengthMs, events });
    const noticed = opened.size > 0 || cacheLost;
    return new Course(title, moments, { from, settled, to, missed, noticed, beside: Object.keys(plan.beside) as S[] });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#processes[Symbol.asyncDispose]();
  }
}

async function launchUpstream(processes: Processes, kind: "grpc" | "rest"): Promise<Upstream> {
  const service = await processes.launch<AuthServiceProcess>(new URL("../subjects/auth-service.ts", import.meta.url));
  const urls = await service.call("urls");
  return {
    url: urls[kind],
    pause: () => service.child.kill("SIGSTOP"),
    resume: () => service.child.kill("SIGCONT"),
  };
}
