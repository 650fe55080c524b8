import type { Moment } from "../kit/timeline.js";

/** One request. */
export interface Visit {
  readonly crowd: string;
  readonly token: string;
  /** That the token is for; `undefined` for garbage. */
  readonly user: string | undefined;
  /** Asks the service, whatever is cached. */
  readonly fresh?: boolean;
}

/** What the limit says of itself at a moment; `at` in milliseconds from the beginning. */
export interface LimitSample {
  readonly at: number;
  readonly limit: number;
  readonly strangersLimit: number;
  readonly queuedKnown: number;
  readonly queuedStrangers: number;
}

export interface FloodReport {
  readonly moments: Readonly<Record<string, readonly Moment[]>>;
  readonly samples: readonly LimitSample[];
  /** Garbage that was let in, and good tokens that were taken for another user. */
  readonly wrong: number;
  /** How often a breaker opened. */
  readonly opened: number;
  /** The longest time for which the process could do nothing. */
  readonly stalledMs: number;
}

/** What became of requests, and the limit meanwhile. */
export class Notes {
  readonly moments: Record<string, Moment[]> = {};
  readonly samples: LimitSample[] = [];
  wrong = 0;
  opened = 0;
  readonly #began = performance.now();

  /** Settles when the answer is there. */
  note({ crowd, user }: Visit, answer: Promise<{ user: { id: string } }>): Promise<void> {
    this.moments[crowd] ??= [];
    const moments = this.moments[crowd];
    const [place, at] = [moments.length, this.#elapsed];
    moments.push({ at, tookMs: Number.NaN, error: "no answer" });
    const end = (error?: string) => {
      moments[place] = { at, tookMs: this.#elapsed - at, error };
    };
    return answer.then(
      (auth) => {
        if (auth.user.id !== user) this.wrong++;
        end();
      },
      (error: { code?: string }) => end(error.code ?? String(error)),
    );
  }

  sample({ limit, strangersLimit, queuedKnown, queuedStrangers }: Omit<LimitSample, "at">): void {
    this.samples.push({ at: this.#elapsed, limit, strangersLimit, queuedKnown, queuedStrangers });
  }

  get #elapsed(): number {
    return performance.now() - this.#began;
  }
}
