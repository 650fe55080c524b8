import { createBoundedMap } from "./bounded-map.js";
import type { Clock } from "./clock.js";

const QUIET_MS = 60_000;
const MAX_NAMES = 1000;

/** Of several things that fail and recover: how often the log says so. */
export class LinePerMinute {
  readonly #clock: Clock;
  readonly #told = createBoundedMap<{ quietUntil: number; isDown: boolean }>({ maxEntries: MAX_NAMES });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether to say it: of each a failure once a minute, and a recovery where its failure was said. */
  mayTell(name: string, isDown: boolean): boolean {
    const now = this.#clock.monotonic();
    const last = this.#told.get(name);
    if (!isDown) {
      const wasTold = last?.isDown ?? false;
      if (last) last.isDown = false;
      return wasTold;
    }
    if (last && now < last.quietUntil) return false;
    this.#told.set(name, { quietUntil: now + QUIET_MS, isDown });
    return true;
  }
}
