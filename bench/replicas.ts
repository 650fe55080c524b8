import { setTimeout as sleep } from "node:timers/promises";
import type { Bench, Context, Findings } from "./kit/bench.js";
import { PINNED } from "./replicas/askers.js";
import { plotOf, ReplicaCourse } from "./replicas/course.js";
import { blackHole, SCENES, type Scene } from "./replicas/scenes.js";
import { cpuOf, rotating, sharesOf, type Size as WellSize } from "./replicas/well.js";
import { type Caller, FOUR, ReplicaWorld } from "./replicas/world.js";

const DELAY_MS = 5;
const HEDGE_MS = 100;
/** Where a process could do nothing for so long, in milliseconds, the machine had other work: so many scenes in all are played again. */
const STALL_MS = 100;
const ENCORES = 2;

interface Size extends WellSize {
  readonly scenes: readonly Scene[];
  /** Calls of each caller. */
  readonly perSecond: number;
  readonly calmMs: number;
}

const FULL: Size = {
  scenes: SCENES,
  perSecond: 50,
  warmUp: 300,
  calmMs: 1500,
  shares: { rounds: 5, calls: 200 },
  rotation: 10_000,
  cpu: { rounds: 5, seconds: 1.5, warmUpSeconds: 3 },
};

/** With the processes that have just started, on whatever machine. */
const QUICK: Size = {
  scenes: [blackHole(300, 100)],
  perSecond: 20,
  warmUp: 4,
  calmMs: 100,
  shares: { rounds: 1, calls: 40 },
  rotation: 120,
};

/** Callers of the same replicas, by the names that the page gives them. */
type Callers = Readonly<Record<string, Caller>>;

export const replicas: Bench = {
  name: "replicas",
  question: "What do callers notice of a bad replica of the auth service?",
  setup:
    `Replicas in one process, each at an address of its own, which take ${DELAY_MS} ms for an answer; the name of all leads to four of them. ` +
    `Callers in processes of their own, ${FULL.perSecond} calls a second each, all at the same time: portero with its defaults and REST behind it; ` +
    "the same with `hedgeMs` at four times its usual answer; `@grpc/grpc-js` with `round_robin` and outlier detection (once a second, out for 1 s at first); " +
    "and one HTTP/2 session, which leads to the replica that is struck, as one process in four has it behind a virtual IP. A call may take 1 s. In a black hole nothing is " +
    "read from connections, and new ones stand and are not answered. Counted from the beginning of a fault to its end: extra calls are those beyond " +
    `one for each question, in the whole scene; *felt for* is until the last call that failed or took over ${HEDGE_MS} ms; a share comes again ` +
    "when the replica answers the first call after the fault. Where the machine had other work a scene is played again. The times of calls that failed are among the others.",
  async run(context) {
    const size = context.quick ? QUICK : FULL;
    await using world = await ReplicaWorld.open({ count: 8, delayMs: DELAY_MS });
    const [portero, grpcJs, oneSession] = await Promise.all([
      world.openCaller({ kind: "portero" }),
      world.openCaller({ kind: "grpc-js" }),
      world.openCaller({ kind: "one session" }),
    ]);
    const shares = await sharesOf(world, portero, size, context);
    const parts: Findings[] = [shares];
    const hedgeMs = Math.round(4 * shares.usualMs);
    const hedged = context.quick ? undefined : await world.openCaller({ kind: "portero", hedgeMs });
    const callers: Callers = {
      portero,
      ...(hedged && { [`portero, \`hedgeMs: ${hedgeMs}\``]: hedged }),
      "grpc-js": grpcJs,
      "one session": oneSession,
    };
    const all = Object.values(callers);
    await Promise.all(all.map(({ process }) => process.call("ask", { calls: size.warmUp, inFlight: 1 })));
    let encores = context.quick ? 0 : ENCORES;
    for (const scene of size.scenes) {
      for (;;) {
        const { stalledMs, ...findings } = await play(world, callers, scene, size, context);
        if (stalledMs < STALL_MS || scene.isLong || encores-- <= 0) {
          parts.push(findings);
          break;
        }
      }
    }
    await Promise.all(all.map((caller) => caller !== portero && world.end(caller)));
    parts.push(await rotating(world, portero, size, context));
    if (size.cpu) parts.push(await cpuOf(world, size.cpu, context));
    return {
      figures: parts.flatMap(({ figures }) => figures),
      ratios: parts.flatMap(({ ratios }) => ratios),
      counts: parts.flatMap(({ counts }) => counts),
      plots: parts.flatMap(({ plots = [] }) => plots),
    };
  },
};

async function play(
  world: ReplicaWorld,
  callers: Callers,
  scene: Scene,
  { calmMs, perSecond }: Size,
  { progress }: Context,
) {
  progress(scene.title);
  const all = Object.entries(callers);
  await world.servers.call("takeStall");
  await Promise.all(all.map(([, { process }]) => process.call("begin", perSecond)));
  await sleep(calmMs);
  const now = () => performance.timeOrigin + performance.now();
  const from = now();
  await scene.run(world);
  const span = { from, to: now() };
  await sleep(scene.afterMs);
  const courses: ReplicaCourse[] = [];
  for (const [name, { process, crowd }] of all) {
    const report = await process.call("end");
    const backMs =
      scene.struck === undefined ? undefined : await world.servers.call("backAfter", { replica: PINNED, crowd });
    courses.push(new ReplicaCourse(scene, name, span, report, backMs));
  }
  await world.resolve(FOUR);
  const stalls = [await world.servers.call("takeStall"), ...courses.map(({ report }) => report.stalledMs)];
  const ours = courses.filter(({ caller }) => caller.startsWith("portero"));
  return {
    figures: courses.flatMap(({ figures }) => figures),
    ratios: courses.flatMap((course) => (course.caller === "portero" ? course.ratios : [])),
    counts: [
      {
        what: `${scene.title}: users taken for others`,
        is: ours.reduce((sum, { report }) => sum + report.wrong, 0),
        target: { exactly: 0 },
      },
    ],
    plots: scene.plot === undefined ? [] : [plotOf(courses, scene.plot)],
    stalledMs: Math.max(...stalls),
  } satisfies Findings & { stalledMs: number };
}
