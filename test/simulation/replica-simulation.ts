import { ReplicaDriver } from "./replica-driver.js";
import type { ReplicaServer } from "./replica-server.js";
import type { ReplicaSettings } from "./replica-settings.js";
import { ReplicaWorld, TOKENS } from "./replica-world.js";
import { settle } from "./virtual-clock.js";

/**
 * A replica that was out is tried after 30 s at most, where anything is asked and the budget for extra calls is not spent; what has left is
 * gone after two look-ups. An open breaker lets no question earn anything for 30 s.
 */
const RECOVERY: readonly { readonly calls: number; readonly everyMs: number; readonly isGood?: boolean }[] = [
  { calls: 40, everyMs: 1000 },
  { calls: 5, everyMs: 9000 },
  // A token that makes every replica throw says nothing about the one that is tried with it.
  { calls: 60, everyMs: 1000, isGood: true },
];

/** What was found when a seed was run. */
export interface ReplicaReport {
  readonly seed: number;
  readonly settings: ReplicaSettings;
  readonly violations: readonly string[];
  readonly requests: number;
  readonly calls: number;
  readonly extra: number;
  readonly events: number;
  lines(last?: number): string[];
}

/** A client before several replicas, in the world of a seed: faults, restarts, rotations, names that lead nowhere. The same seed does the same, always. */
export async function simulateReplicas(seed: number): Promise<ReplicaReport> {
  const world = new ReplicaWorld(seed);
  const { chronicle, settings } = world;
  const onUnhandled = (error: unknown) => chronicle.violate("", `nobody handled the rejection: ${error}`);
  process.on("unhandledRejection", onUnhandled);
  try {
    await new Run(world).run();
  } catch (error) {
    if (!(error instanceof Violated)) chronicle.violate("", `the simulation failed: ${(error as Error)?.stack}`);
  } finally {
    process.off("unhandledRejection", onUnhandled);
  }
  return {
    seed,
    settings,
    violations: chronicle.violations,
    requests: world.requests,
    calls: world.watch.calls,
    extra: world.watch.extra,
    events: chronicle.size,
    lines: (last) => chronicle.lines(last),
  };
}

class Violated extends Error {}

class Run {
  readonly #world: ReplicaWorld;

  constructor(world: ReplicaWorld) {
    this.#world = world;
  }

  async run(): Promise<void> {
    for (let index = 0; this.#world.settings.isKnown && index < TOKENS; index++)
      await this.#pass(this.#world.ask(`t-${index}`));
    this.#world.ask();
    await this.#pass(50); // the first look-up
    const driver = new ReplicaDriver(this.#world);
    for (let step = 0; step < this.#world.settings.steps; step++) await this.#pass(driver.act());
    await this.#recover();
    await this.#checkShares();
    await this.#world.client.close();
    await this.#pass(50);
    const left = this.#world.ownClock.pending;
    if (left + this.#world.waiting > 0)
      this.#world.chronicle.violate("", `after close(): ${left} timers, ${this.#world.waiting} wait`);
  }

  /** The last fault ends: soon everybody is asked again, and nobody else. */
  async #recover(): Promise<void> {
    this.#world.chronicle.record("", "the last fault ends");
    for (const server of this.#world.listening) server.condition = "well";
    this.#world.names.weather = "well";
    for (const { calls, everyMs, isGood } of RECOVERY) {
      for (let call = 0; call < calls; call++) {
        this.#world.ask(isGood ? `t-${call % TOKENS}` : undefined);
        await this.#pass(everyMs);
      }
    }
    await this.#pass(2000);
    const { replicas = [] } = this.#world.client.status().grpc ?? {};
    const wanted = this.#world.names.listed.map(({ addresses }) => `${addresses[0]}:50051`);
    const found = replicas.map(({ address }) => address);
    if ([...wanted].sort().join() !== [...found].sort().join())
      this.#world.chronicle.violate("", `the replicas are ${found}, and should be ${wanted}`);
    for (const { address, state } of replicas)
      if (state === "out") this.#world.chronicle.violate("", `${address} is out, long after the last fault`);
    this.#throwIfViolated();
  }

  /** All are asked as often, one by one and many at once. */
  async #checkShares(): Promise<void> {
    const { replicas } = this.#world.settings;
    const counts = new Map<ReplicaServer, number>();
    this.#world.watch.onCall = ({ server }) => counts.set(server, (counts.get(server) ?? 0) + 1);
    const rounds = 5;
    const check = (how: string) => {
      for (const server of this.#world.names.listed) {
        const count = counts.get(server) ?? 0;
        if (Math.abs(count - rounds) > 1)
          this.#world.chronicle.violate("", `${count} of ${rounds * replicas} calls ${how}`);
      }
      counts.clear();
    };
    for (let call = 0; call < rounds * replicas; call++) {
      this.#world.ask(`t-${call}`);
      await this.#pass(10);
    }
    check("came to one, one by one");
    for (let call = 0; call < rounds * replicas; call++) this.#world.ask(`t-${call}`);
    await this.#pass(100);
    check("came to one, all at once");
    this.#throwIfViolated();
  }

  async #pass(ms: number): Promise<void> {
    await settle();
    this.#check();
    await this.#world.clock.advanceTo(this.#world.clock.time + ms, this.#check);
  }

  readonly #check = (): void => {
    this.#world.watch.endOfTurn();
    this.#world.chronicle.nextTurn();
    this.#throwIfViolated();
  };

  #throwIfViolated(): void {
    if (this.#world.chronicle.violations.length > 0) throw new Violated();
  }
}
