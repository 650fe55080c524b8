import type { AskSample } from "../kit/ask.js";
import type { Context, Figure, Findings, Ratio } from "../kit/bench.js";
import { inTurn } from "../kit/rounds.js";
import { quantile, ratioOf, spreadOf } from "../kit/spread.js";
import type { CallReport } from "../subjects/replica-caller.js";
import { type Caller, FOUR, type ReplicaWorld } from "./world.js";

const ROTATION_MS = 400;

/** How much is measured where no replica has a fault. */
export interface Size {
  readonly warmUp: number;
  readonly shares: { readonly rounds: number; readonly calls: number };
  /** Calls while connections rotate. */
  readonly rotation: number;
  /** Default: not measured. */
  readonly cpu?: CpuSize;
}

export interface CpuSize {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

/** Among many, so many times as many calls are made: the share of a few says how they fell. */
const MANY = 20;

/** Each of four has a quarter, alone or among many. */
export async function sharesOf(
  { servers }: ReplicaWorld,
  { process, crowd }: Caller,
  { shares, warmUp }: Size,
  context: Context,
) {
  context.progress("shares");
  await process.call("ask", { calls: warmUp, inFlight: 8 });
  const figures: Figure[] = [];
  const ratios: Ratio[] = [];
  let usualMs = 0;
  let wrong = 0;
  for (const [inFlight, rounds, calls] of [
    [1, shares.rounds, shares.calls],
    [32, 1, MANY * shares.calls],
  ] as const) {
    const off: number[] = [];
    const took: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await servers.call("takeCalls", crowd);
      const report = await process.call("ask", { calls, inFlight });
      const each = (await servers.call("takeCalls", crowd)).slice(0, FOUR.length);
      const all = each.reduce((sum, came) => sum + came, 0);
      off.push(...each.map((came) => Math.abs((100 * came) / all - 100 / FOUR.length)));
      took.push(...report.moments.map(({ tookMs }) => tookMs));
      wrong += lostOf(report).length + report.wrong;
    }
    if (inFlight === 1) usualMs = quantile(took, 0.5);
    const when = `${inFlight} in flight`;
    const median = spreadOf([quantile(took, 0.5)]);
    figures.push({ subject: `all well, ${when}: portero`, what: "median, ms", spread: median });
    ratios.push({
      what: `all well, ${when}: how far a replica's share of ${calls.toLocaleString("en-US")} calls was from a quarter at most, points`,
      spread: spreadOf([Math.max(...off)]),
      target: { atMost: 2 },
    });
  }
  const counts = [
    { what: "all well: calls that gRPC did not answer right", is: wrong, target: { exactly: 0 } },
  ] as const;
  return { figures, ratios, counts, usualMs };
}

/** Connections that end all the time. */
export async function rotating(
  { servers }: ReplicaWorld,
  { process, crowd }: Caller,
  { rotation }: Size,
  { progress }: Context,
): Promise<Findings> {
  const parts: Findings[] = [];
  for (const [graceMs, atMost, calls] of [
    [1000, 0, rotation],
    [10, 1, rotation / 2],
  ] as const) {
    const title = `each connection ends after ${ROTATION_MS} ms, with ${graceMs} ms for what is under way`;
    progress(title);
    await servers.call("rotate", { maxAgeMs: ROTATION_MS, graceMs });
    await servers.call("takeCalls", crowd);
    const report = await process.call("ask", { calls, inFlight: 8 });
    const came = (await servers.call("takeCalls", crowd)).reduce((sum, each) => sum + each, 0);
    const failed = report.moments.filter(({ answeredBy }) => answeredBy === undefined).length;
    const share = (100 * lostOf(report).length) / calls;
    parts.push({
      figures: [
        { subject: `${title}: portero`, what: "calls", spread: spreadOf([calls]) },
        { subject: `${title}: portero`, what: "failed, %", spread: spreadOf([(100 * failed) / calls]) },
        { subject: `${title}: portero`, what: "by REST, %", spread: spreadOf([share - (100 * failed) / calls]) },
        { subject: `${title}: portero`, what: "extra calls", spread: spreadOf([came - calls]) },
      ],
      ratios: [{ what: `${title}: calls that gRPC did not answer, %`, spread: spreadOf([share]), target: { atMost } }],
      counts: [{ what: `${title}: calls without an answer`, is: failed + report.wrong, target: { exactly: 0 } }],
    });
  }
  await servers.call("rotate", undefined);
  return {
    figures: parts.flatMap(({ figures }) => figures),
    ratios: parts.flatMap(({ ratios }) => ratios),
    counts: parts.flatMap(({ counts }) => counts),
  };
}

/** What four replicas cost a caller, and two connections to one. */
export async function cpuOf(world: ReplicaWorld, cpu: CpuSize, context: Context): Promise<Findings> {
  const [one, two, four] = await Promise.all([
    world.openCaller({ kind: "portero", minConnections: 1 }, [0]),
    world.openCaller({ kind: "portero" }, [0]),
    world.openCaller({ kind: "portero" }),
  ]);
  const callers = { "one replica, one connection": one, "one replica, two connections": two, "four replicas": four };
  const names = Object.keys(callers) as (keyof typeof callers)[];
  const figures: Figure[] = [];
  const ratios: Ratio[] = [];
  for (const name of names) await callers[name].process.call("measure", { inFlight: 32, seconds: cpu.warmUpSeconds });
  for (const inFlight of [1, 32]) {
    const when = `${inFlight} in flight`;
    const measure = (name: keyof typeof callers) =>
      callers[name].process.call("measure", { inFlight, seconds: cpu.seconds });
    const subjects = Object.fromEntries(names.map((name) => [name, () => measure(name)]));
    const progress = (text: string) => context.progress(`CPU, ${when}: ${text}`);
    const samples = (await inTurn(subjects, cpu.rounds, { progress })) as Record<keyof typeof callers, AskSample[]>;
    const cpuOf = (name: keyof typeof callers) => samples[name].map(({ cpuMicros }) => cpuMicros);
    for (const name of names) {
      figures.push({ subject: `all well: ${name}`, what: `CPU, µs/call, ${when}`, spread: spreadOf(cpuOf(name)) });
      if (name === names[0]) continue;
      ratios.push({
        what: `CPU of a call, ${name} / ${names[0]}, ${when}`,
        spread: ratioOf(cpuOf(name), cpuOf(names[0]!)),
        ...(name === "four replicas" && { target: { atMost: 1.1 } }),
      });
    }
  }
  return { figures, ratios, counts: [] };
}

function lostOf({ moments }: CallReport) {
  return moments.filter(({ answeredBy }) => answeredBy !== "grpc");
}
