import type { Ask, Round, Try } from "./records.js";
import type { Settings } from "./settings.js";

/** The token bucket of gRFC A6: a failure takes one, a success gives a tenth, below half nobody retries. */
const BUCKET = 10;
const PER_SUCCESS = 0.1;
/** Timers of the simulation go by eighths of a millisecond. */
const TICK_MS = 0.125;

/** When a question may be asked again, and when it must not. */
export class RetryRules {
  readonly #settings: Settings;
  readonly #violate: (rule: string) => void;
  /** Whether every breaker would turn a call away now. */
  readonly #isHopeless: () => boolean;
  /** Rounds of gRPC alone that failed in this turn: REST may still follow. */
  readonly #undecided = new Set<Round>();
  /** No more than this is in the bucket: rounds that no upstream saw take from it too. */
  #bucket = BUCKET;

  constructor(settings: Settings, isHopeless: () => boolean, violate: (rule: string) => void) {
    this.#settings = settings;
    this.#isHopeless = isHopeless;
    this.#violate = violate;
  }

  succeeded(): void {
    this.#bucket = Math.min(BUCKET, this.#bucket + PER_SUCCESS);
  }

  ended({ verdict }: Ask, round: Round): void {
    const tries = triesIn(round);
    if (verdict || tries.some(({ ended }) => !ended)) return;
    if (round.rest) this.#failed(round);
    else this.#undecided.add(round);
  }

  endOfTurn(): void {
    for (const round of this.#undecided) if (!round.rest) this.#failed(round);
    this.#undecided.clear();
  }

  /** A further round begins. */
  repeated({ rounds, verdict }: Ask, at: number): void {
    const { attempts, initialDelayMs, maxDelayMs } = this.#settings.retry;
    const previous = rounds[rounds.length - 1]!;
    const tries = triesIn(previous);
    if (verdict || tries.some(({ ended }) => !ended)) return this.#violate("a retry, though the first try is not over");
    if (rounds.length >= attempts) this.#violate(`${rounds.length + 1} tries, and ${attempts} are allowed`);
    if (!tries.some(({ result }) => result?.kind === "unreachable" || result?.kind === "busy")) {
      this.#violate("a retry, though no upstream was out of reach or busy");
    }
    if (previous.whyNotFollowed) this.#violate(`a retry, though ${previous.whyNotFollowed}`);
    const ended = Math.max(...tries.map(({ ended }) => ended!.at));
    const asked = Math.max(
      0,
      ...tries.map(({ result }) => (result && "retryAfterMs" in result && result.retryAfterMs) || 0),
    );
    const ceiling = Math.max(asked, Math.min(maxDelayMs, initialDelayMs * 2 ** (rounds.length - 1)));
    if (at < ended + asked) this.#violate(`a retry after ${at - ended} ms, and ${asked} were asked for`);
    if (at > ended + ceiling + TICK_MS) this.#violate(`a retry after ${at - ended} ms, and the most is ${ceiling}`);
  }

  #failed(round: Round): void {
    this.#bucket = Math.max(0, this.#bucket - 1);
    if (this.#bucket < BUCKET / 2 - 1e-6) round.whyNotFollowed = "the retry budget was used up";
    else if (this.#isHopeless()) round.whyNotFollowed = "every breaker was open";
  }
}

function triesIn({ grpc, rest }: Round): Try[] {
  return [grpc, rest].filter((attempt) => attempt !== undefined);
}
