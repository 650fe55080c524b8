import type { NameWeather } from "./replica-names.js";
import { type Condition, FAULTS, type ReplicaServer } from "./replica-server.js";
import { LEFT_MS } from "./replica-watch.js";
import type { ReplicaWorld } from "./replica-world.js";

type Action = "call" | "burst" | "fault" | "heal" | "restart" | "rotate" | "names" | "wait";

/** Draws what happens next to the replicas, and when. */
export class ReplicaDriver {
  readonly #world: ReplicaWorld;

  constructor(world: ReplicaWorld) {
    this.#world = world;
  }

  /** Something happens; how long to wait then. */
  act(): number {
    const { random } = this.#world;
    this.#endThoseThatLeft();
    const { isNamed, isOneIll, hasFaults, replicas } = this.#world.settings;
    const names = isNamed ? 2 : 0;
    const action = random.weighted<Action>({
      ...{ call: 6, burst: 6, fault: hasFaults ? 4 : 0, heal: 2, restart: 2, wait: 3 },
      ...{ rotate: names, names },
    });
    switch (action) {
      case "call":
        return this.#world.ask();
      case "burst":
        for (let size = 2 + random.int(20); size > 0; size--) this.#world.ask();
        return random.ms(0, 200);
      case "fault":
        return this.#fall(random.pick(this.#world.names.listed));
      case "heal":
        for (const server of this.#world.listening) server.condition = "well";
        return random.ms(0, 100);
      case "restart":
        return this.#restart(random.pick(this.#world.listening));
      case "rotate":
        return this.#rotate();
      case "names":
        // With both of its addresses one that is ill would be two.
        this.#world.names.weather = random.weighted<NameWeather>({
          ...{ well: 2, fails: 1, empty: 1, hangs: 1 },
          part: hasFaults && replicas < 3 ? 0 : 1,
          flipped: hasFaults && isOneIll ? 0 : 1,
        });
        this.#world.chronicle.record("", "names", this.#world.names.weather);
        return random.ms(0, 40_000);
      case "wait":
        return random.pick([random.ms(0, 1000), random.ms(0, 12_000), random.ms(0, 40_000)]);
    }
  }

  /** It fails, and is asked meanwhile. */
  #fall(server: ReplicaServer): number {
    const random = this.#world.random;
    if (this.#world.settings.isOneIll) for (const other of this.#world.listening) other.condition = "well";
    // An answer that is none is not asked for again: it may be the token's.
    server.condition = random.pick<Condition>(this.#world.settings.isOneIll ? FAULTS : [...FAULTS, "broken"]);
    this.#world.chronicle.record("", "fault", server.addresses[0], server.condition);
    this.#traffic(random.int(40), random.pick([5, 20, 100, 400]));
    return random.ms(0, 3000);
  }

  #restart(server: ReplicaServer): number {
    this.#world.chronicle.record("", "restart", server.addresses[0]);
    for (let calls = 0; calls < this.#world.random.int(6); calls++) this.#world.ask();
    this.#world.clock.after(this.#world.random.ms(0, 1), () => server.restart());
    return this.#world.random.ms(0, 50);
  }

  /** One leaves, and another one comes; it ends when no client can want it any more. */
  #rotate(): number {
    const left = this.#world.random.pick(this.#world.names.listed);
    this.#world.names.replace(left, this.#world.addServer());
    this.#world.chronicle.record("", "rotate", left.addresses[0]);
    this.#traffic(20, 100);
    return this.#world.random.ms(0, 3000);
  }

  /** Nobody can want them any more, where the truth about them was told for long enough. */
  #endThoseThatLeft(): void {
    const { wellSince, leftAt } = this.#world.names;
    for (const [server, at] of leftAt) {
      if (this.#world.clock.time <= Math.max(at, wellSince) + LEFT_MS || server.condition === "gone") continue;
      server.condition = "gone";
      this.#world.watch.leftAt.set(server, Math.max(at, wellSince));
      this.#world.chronicle.record("", "gone", server.addresses[0]);
    }
  }

  /** One question after the other. */
  #traffic(count: number, everyMs: number): void {
    for (let index = 0; index < count; index++) this.#world.clock.after(index * everyMs, () => this.#world.ask());
  }
}
