import type { Upstream } from "../../src/client.js";
import { eventually } from "../support/eventually.js";
import { type Answer, type Caller, somebodyNew, USUAL_MARGIN_MS } from "./caller.js";

export interface Ordeal {
  /** Begins the fault. */
  strike(): unknown;
  /** Ends it. */
  heal(): unknown;
  /** Who answers before it, and again after it. */
  servedBy: Upstream;
  /** Whose breaker opens. The fault goes on until so many of its probes have failed. */
  opens?: Upstream;
  /** Default 1. */
  failedProbes?: number;
}

export interface Endured {
  /** What callers got while the fault lasted. */
  readonly during: readonly Answer[];
  /** Milliseconds from the end of the fault until the upstream answered again. */
  readonly backMs: number;
  /** Probes of it that were sent in that time. */
  readonly probes: number;
}

/** One more than it takes to open a breaker: the first wave meets the fault, the second one what was learnt from it. */
const WAVE = 6;

/** Lets a fault come and go while callers keep knocking. */
export async function endure(caller: Caller, ordeal: Ordeal): Promise<Endured> {
  const { strike, heal, servedBy, opens, failedProbes = 1 } = ordeal;
  const known = await meetSomebody(caller, servedBy);
  await strike();
  const during = [...(await wave(caller, known)), ...(await wave(caller, known))];
  if (opens) {
    const goal = probesThatFailed(caller, opens) + failedProbes;
    await eventually(async () => {
      during.push(await caller.ask());
      return probesThatFailed(caller, opens) >= goal;
    }, `${failedProbes} probes of ${opens} fail`);
  }
  await heal();
  return { during, ...(await recovery(caller, servedBy)) };
}

/** Before the fault: the upstream serves, and somebody is known to the process. */
export async function meetSomebody(caller: Caller, servedBy: Upstream): Promise<number> {
  const known = somebodyNew();
  await eventually(async () => (await caller.ask()).source === servedBy, `${servedBy} serves before the fault`);
  await eventually(async () => (await caller.ask(known)).source === "process", "the process remembers somebody");
  return known;
}

/**
 * Several at once: new, known and bad tokens. Most of those that had to be asked about are answered within the deadline: counted from
 * the answer that nobody had to be asked for, which waited for nothing but the machine.
 */
export async function wave(caller: Caller, person: number): Promise<Answer[]> {
  const newcomers = Array.from({ length: WAVE }, () => caller.ask());
  const [known, ...asked] = await Promise.all([caller.askAgain(person), ...newcomers, caller.askBadly()]);
  const times = asked.map(({ tookMs }) => tookMs - known.tookMs).sort((one, other) => one - other);
  const median = times[Math.floor(times.length / 2)] as number;
  const { deadlineMs } = caller;
  if (median > deadlineMs + USUAL_MARGIN_MS)
    throw new Error(`most took over ${Math.floor(median)} ms, the deadline is ${deadlineMs}`);
  return [...asked, known];
}

/** Keeps knocking until the upstream answers. */
export async function recovery(caller: Caller, servedBy: Upstream): Promise<Omit<Endured, "during">> {
  const start = performance.now();
  const before = probesSent(caller, servedBy);
  await eventually(async () => (await caller.ask()).source === servedBy, `${servedBy} serves again`);
  return { backMs: performance.now() - start, probes: probesSent(caller, servedBy) - before };
}

function probesSent({ transitions }: Caller, upstream: Upstream): number {
  return transitions.filter((move) => move.upstream === upstream && move.to === "half-open").length;
}

function probesThatFailed({ transitions }: Caller, upstream: Upstream): number {
  return transitions.filter((move) => move.upstream === upstream && move.from === "half-open" && move.to === "open")
    .length;
}
