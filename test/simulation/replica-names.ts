import type { Lookup } from "../../src/transport/addresses.js";
import type { Random } from "./random.js";
import type { ReplicaServer } from "./replica-server.js";
import type { VirtualClock } from "./virtual-clock.js";

/** What the name server does. `part`: it tells of some; `flipped`: of the other family of addresses. */
export type NameWeather = "well" | "fails" | "empty" | "part" | "flipped" | "hangs";

const HANGS_MS = 7000;

/** The name server, which need not be believed. */
export class Names {
  #weather: NameWeather = "well";
  /** Since when it has told the truth; infinite where it does not. */
  wellSince = Number.NEGATIVE_INFINITY;
  /** Those of whom it should tell. */
  readonly listed: ReplicaServer[];
  /** When each left that is listed no more. */
  readonly leftAt = new Map<ReplicaServer, number>();
  /** When an answer last left one out that should have been told of. */
  readonly hiddenAt = new Map<ReplicaServer, number>();
  readonly lookup: Lookup;
  readonly #clock: VirtualClock;

  constructor(listed: readonly ReplicaServer[], clock: VirtualClock, random: Random) {
    this.#clock = clock;
    this.listed = [...listed];
    this.lookup = () => {
      const { weather } = this;
      return new Promise((resolve, reject) => {
        const afterMs = weather === "hangs" ? HANGS_MS : random.ms(0.5, 20);
        clock.after(afterMs, () => {
          if (weather === "hangs") return reject(failure("ETIMEOUT"));
          if (weather === "fails") return reject(failure("EAI_AGAIN"));
          const family = weather === "flipped" ? 1 : 0;
          const all = this.listed.map(({ addresses }) => ({ address: addresses[family] }));
          const told = weather === "part" ? all.filter((_, index) => index > 0) : all;
          if (weather === "part") this.hiddenAt.set(this.listed[0]!, clock.time);
          resolve(weather === "empty" ? [] : told);
        });
      });
    };
  }

  get weather(): NameWeather {
    return this.#weather;
  }

  set weather(weather: NameWeather) {
    if (weather !== "well") this.wellSince = Number.POSITIVE_INFINITY;
    else if (this.#weather !== "well") this.wellSince = this.#clock.time;
    this.#weather = weather;
  }

  /** One takes the place of another. */
  replace(left: ReplicaServer, by: ReplicaServer): void {
    this.listed.splice(this.listed.indexOf(left), 1, by);
    this.leftAt.set(left, this.#clock.time);
  }
}

function failure(code: string): Error {
  return Object.assign(new Error("the name could not be looked up"), { code });
}
