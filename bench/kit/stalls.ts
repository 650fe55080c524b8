import { monitorEventLoopDelay } from "node:perf_hooks";

/** How long this process could do nothing, at worst: where a machine has other work, that is no doing of the subject's. */
export class Stalls {
  readonly #histogram = monitorEventLoopDelay({ resolution: 10 });

  constructor() {
    this.#histogram.enable();
  }

  /** The longest since the last time, in milliseconds. */
  take(): number {
    const { max } = this.#histogram;
    this.#histogram.reset();
    return max / 1e6;
  }
}
