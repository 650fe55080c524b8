import { setTimeout as sleep } from "node:timers/promises";
import { PINNED } from "./askers.js";
import type { ReplicaFault } from "./replica-server.js";
import { FOUR, type ReplicaWorld } from "./world.js";

/** What happens to the replicas while calls come. */
export interface Scene {
  readonly title: string;
  /** From its beginning to its end. */
  run(world: ReplicaWorld): Promise<void>;
  /** The replica that is looked for when it is over. */
  readonly struck?: number;
  /** How long calls go on when it is over, in milliseconds. */
  readonly afterMs: number;
  /** At which portero's answers are to be: the 99th of a hundred. */
  readonly p99AtMost?: number;
  /** Where it is promised that no call fails, and that REST is not asked. */
  readonly isFelt?: true;
  /** It takes long, and is played once. */
  readonly isLong?: true;
  /** For a plot. */
  readonly plot?: string;
}

const LASTS_MS = 4000;
/** Longer than one that was out for the third time stays out. */
const AFTER_MS = 6000;
/** A process that ends says GOAWAY, and leaves so many milliseconds for what is under way. */
const GRACE_MS = 300;

/** One or several have a fault, and then they have none. */
function faultOf(
  title: string,
  fault: ReplicaFault,
  more: Partial<Scene> & { replicas?: readonly number[] } = {},
): Scene {
  const { replicas = [PINNED], ...rest } = more;
  return {
    title,
    struck: PINNED,
    afterMs: AFTER_MS,
    async run({ servers }) {
      await Promise.all(replicas.map((replica) => servers.call("strike", { replica, fault })));
      await sleep(LASTS_MS);
      await Promise.all(replicas.map((replica) => servers.call("heal", replica)));
    },
    ...rest,
  };
}

export const blackHole = (lastsMs = LASTS_MS, afterMs = AFTER_MS): Scene => ({
  ...faultOf("one in a black hole", "black hole", { p99AtMost: 150, plot: "black-hole", afterMs }),
  async run({ servers }) {
    await servers.call("strike", { replica: PINNED, fault: "black hole" });
    await sleep(lastsMs);
    await servers.call("heal", PINNED);
  },
});

/** With the usual number of replicas; the last ones have to do with more. */
export const SCENES: readonly Scene[] = [
  blackHole(),
  faultOf("one takes 200 ms", "slow"),
  faultOf("one UNAVAILABLE", "UNAVAILABLE"),
  faultOf("one refuses connections", "refused"),
  faultOf("two in a black hole", "black hole", { replicas: [PINNED, 3], isFelt: true }),
  faultOf("all take 200 ms", "slow", { replicas: FOUR }),
  {
    title: "each killed and started again",
    afterMs: 1000,
    async run({ servers }) {
      for (const replica of FOUR) {
        await servers.call("stop", { replica });
        await sleep(500);
        await servers.call("start", replica);
        await sleep(1000);
      }
    },
  },
  {
    title: "each replaced by one at another address",
    afterMs: 2000,
    async run(world) {
      const there = [...FOUR];
      for (const [at, old] of FOUR.entries()) {
        there[at] = old + FOUR.length;
        await leave(world, old, there);
        await sleep(1000);
      }
      for (const replica of FOUR) await world.servers.call("start", replica);
    },
  },
  {
    title: "from four to six, and then to three",
    afterMs: 1000,
    isLong: true,
    async run(world) {
      await world.resolve([0, 1, 2, 3, 4, 5]);
      await sleep(36_000); // names are looked up twice a minute, about
      await leave(world, 5, [0, 1, 2, 3, 4]);
      await leave(world, 4, [0, 1, 2, 3]);
      await leave(world, 3, [0, 1, 2]);
      await sleep(1000);
      await world.servers.call("start", 3);
    },
  },
];

/** As a pod goes: the name does not lead there any more, it says GOAWAY, and then it is gone. */
async function leave(world: ReplicaWorld, replica: number, there: readonly number[]): Promise<void> {
  await world.resolve(there);
  await sleep(200);
  await world.servers.call("stop", { replica, graceMs: GRACE_MS });
}
