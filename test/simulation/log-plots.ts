import { logIs, type Trouble, troubleLog } from "./log-troubles.js";
import type { SimulatedProcess } from "./process.js";
import type { Random } from "./random.js";
import { type Scene, storeIs, weatherIs } from "./stage.js";
import type { Visits } from "./visits.js";
import type { World } from "./world.js";

export interface LogStage {
  readonly world: World;
  readonly visits: Visits;
  readonly random: Random;
  /** One of the processes, and another on the same log. */
  readonly by: SimulatedProcess;
  readonly other: SimulatedProcess;
  readonly token: string;
  /** Another one takes its place at once. */
  readonly restart: (process: SimulatedProcess) => SimulatedProcess;
}

/**
 * Where there is a log, something happens to it now and then; `undefined`: not now.
 *
 * @param tokenOf one that the process may know
 */
export function actOnLog({
  tokenOf,
  ...stage
}: Pick<LogStage, "world" | "visits" | "random" | "restart"> & {
  readonly tokenOf: (process: SimulatedProcess) => string;
}): Scene[] | undefined {
  const { world, random } = stage;
  if (world.settings.log !== "stream") return undefined;
  const act = random.weighted({ nothing: 9, trouble: 2, plot: 3 });
  if (act === "nothing") return undefined;
  if (act === "trouble") troubleLog(world, random);
  const by = random.pick(world.processes);
  const others = world.processes.filter((process) => process !== by && process.service === by.service);
  if (act === "trouble" || others.length === 0) return [];
  return drawLogPlot({ ...stage, by, other: random.pick(others), token: tokenOf(by) });
}

/** Several things that must happen one after the other for something told to be missed, or for what is not told to be heard. */
function drawLogPlot(stage: LogStage): Scene[] {
  return stage.random.pick([missed, newcomer, told])(stage);
}

function forget({ world, visits, random, by, token }: LogStage, isToken = random.chance(0.6)): void {
  if (by.journal.closed) return;
  const account = world.authorities[by.service]!.tokens.get(token)?.account;
  if (isToken || !account)
    visits.invalidate(by, { question: world.question(by.service, { operation: "VerifyToken", token }) });
  else visits.invalidate(by, { user: account.ref });
}

/** What is told while nobody listens is gone before anybody does. */
function missed(stage: LogStage): Scene[] {
  const { world, visits, random, other, by, token } = stage;
  const visit = () => other.journal.closed || visits.visit(other, "me", token);
  const redis = world.redis!;
  const isTrimmed = random.chance(0.5); // by and by, while it is read
  const after = isTrimmed ? undefined : random.pick<Trouble>(["trim", "trim", "delete", "failover", "forge"]);
  return [
    { afterMs: 0, act: () => calm(stage) },
    { afterMs: random.pick([0, 1100]), act: () => void visit() },
    // The place up to which nothing is missing is that of the last entry again after a while.
    {
      afterMs: isTrimmed ? 2600 : random.ms(5, 100),
      act: () => redis.cut(other.name, !isTrimmed && random.chance(0.3)),
    },
    { afterMs: 0, act: () => logIs(world, isTrimmed ? "trimming" : random.pick(["calm", "lagging"])) },
    { afterMs: 0, act: () => forget(stage) },
    { afterMs: isTrimmed ? 0 : random.ms(3, 40), act: () => after && troubleLog(world, random, after) },
    {
      afterMs: 0,
      act: () => by.journal.closed || visits.invalidate(by, { user: { userId: "n", organizationId: "o" } }),
    },
    { afterMs: random.ms(3, 60), act: () => void visit() },
    { afterMs: random.ms(3, 300), act: () => logIs(world, "calm") },
    { afterMs: random.pick([20, 3000]), act: () => void visit() },
    { afterMs: 9000, act: () => void visit() },
  ];
}

/** A process starts, or hears again, while another one is telling. */
function newcomer(stage: LogStage): Scene[] {
  const { world, visits, random, other, token, restart } = stage;
  let late = other;
  const visit = () => late.journal.closed || visits.visit(late, "me", token);
  return [
    { afterMs: 0, act: () => calm(stage) },
    { afterMs: random.pick([0, 1100]), act: () => void visit() },
    { afterMs: random.ms(5, 100), act: () => storeIs(world, random.pick(["late", "late", "slow", "calm"])) },
    { afterMs: 0, act: () => forget(stage, true) },
    {
      afterMs: random.ms(0, 30),
      act: () => {
        if (!late.journal.closed) late = restart(late);
      },
    },
    ...Array.from({ length: 8 }, () => ({ afterMs: random.ms(0, 8), act: () => void visit() })),
    { afterMs: 200, act: () => storeIs(world, "calm") },
    ...[200, 2700, 6500].map((afterMs) => ({ afterMs, act: () => void visit() })),
  ];
}

/** It is told, and heard. */
function told(stage: LogStage): Scene[] {
  const { world, visits, random, other, token } = stage;
  const visit = () => other.journal.closed || visits.visit(other, "me", token);
  return [
    { afterMs: 0, act: () => calm(stage) },
    { afterMs: random.pick([0, 1100]), act: () => void visit() },
    { afterMs: random.ms(1, 50), act: () => forget(stage) },
    { afterMs: random.ms(0, 10), act: () => void visit() },
    { afterMs: random.ms(0, 10), act: () => random.chance(0.3) && troubleLog(world, random, "forge") },
    { afterMs: random.ms(0, 50), act: () => void visit() },
    { afterMs: random.ms(0, 5000), act: () => random.chance(0.3) && troubleLog(world, random, "forge") },
    { afterMs: random.ms(0, 50), act: () => void visit() },
  ];
}

function calm({ world, by }: LogStage): void {
  weatherIs({ world, process: by }, "calm");
  storeIs(world, "calm");
  logIs(world, "calm");
}
