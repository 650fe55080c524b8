import { ROUNDING_MS } from "./journal.js";
import type { Ask, Round, Try } from "./records.js";
import { budgets, type Settings } from "./settings.js";

/** The token bucket of gRFC A6: a failure takes one, a success gives a tenth, below half nobody retries. */
const BUCKET = 10;
const PER_SUCCESS = 0.1;
/** With no more places than these, a question may have waited for one. A limit falls no lower. */
export const FEW_PLACES = 16;
/** No try starts with less time than this. */
const LEAST_MS = 20;
/** Timers of the simulation go by eighths of a millisecond. */
const TICK_MS = 0.125;

/** When a question may be asked again, and when it must not. */
export class RetryRules {
  readonly #settings: Settings;
  readonly #violate: (rule: string) => void;
  /** Whether every breaker would turn a call away now. */
  readonly #isHopeless: (known: boolean) => boolean;
  /** Rounds of gRPC alone that failed in this turn: REST may still follow. */
  readonly #undecided = new Map<Round, Ask>();
  /** No more than this is in the buckets: of those who may have had no time for another try, nothing is taken. */
  readonly #buckets = {
    known: { outage: BUCKET, busy: BUCKET },
    strangers: { outage: BUCKET, busy: BUCKET },
  };
  /** What was taken in the latest instant: which of the failures in it was first cannot be seen from outside. */
  #taken = nothingTaken(Number.NaN);

  readonly #mayHaveWaited: (ask: Ask) => boolean;

  /** @param on.mayHaveWaited whether its deadline may run since long before its first try: fresh questions take turns, and those of crowds wait for places */
  constructor(
    settings: Settings,
    on: { isHopeless(known: boolean): boolean; mayHaveWaited(ask: Ask): boolean },
    violate: (rule: string) => void,
  ) {
    this.#settings = settings;
    this.#isHopeless = on.isHopeless;
    this.#mayHaveWaited = on.mayHaveWaited;
    this.#violate = violate;
  }

  succeeded(): void {
    for (const bucket of [this.#buckets.known, this.#buckets.strangers]) {
      for (const kind of ["outage", "busy"] as const) bucket[kind] = Math.min(BUCKET, bucket[kind] + PER_SUCCESS);
    }
  }

  ended(ask: Ask, round: Round): void {
    const tries = triesIn(round);
    if (ask.verdict || tries.some(({ ended }) => !ended)) return;
    if (round.rest) this.#failed(ask, round);
    else this.#undecided.set(round, ask);
  }

  endOfTurn(): void {
    for (const [round, ask] of this.#undecided) if (!round.rest) this.#failed(ask, round);
    this.#undecided.clear();
  }

  /** A further round begins. */
  repeated({ rounds, verdict }: Ask, at: number): void {
    const { attempts } = this.#settings.retry;
    const previous = rounds[rounds.length - 1]!;
    const tries = triesIn(previous);
    if (verdict || tries.some(({ ended }) => !ended)) return this.#violate("a retry, though the first try is not over");
    if (rounds.length >= attempts) this.#violate(`${rounds.length + 1} tries, and ${attempts} are allowed`);
    if (!tries.some(({ result }) => result?.kind === "unreachable" || result?.kind === "busy")) {
      this.#violate("a retry, though no upstream was out of reach or busy");
    }
    if (previous.whyNotFollowed) this.#violate(`a retry, though ${previous.whyNotFollowed}`);
    const ended = Math.max(...tries.map(({ ended }) => ended!.at));
    const asked = askedFor(tries);
    const ceiling = this.#longestWait(asked, rounds.length);
    if (at < ended + asked) this.#violate(`a retry after ${at - ended} ms, and ${asked} were asked for`);
    if (at > ended + ceiling + TICK_MS) this.#violate(`a retry after ${at - ended} ms, and the most is ${ceiling}`);
  }

  #failed(ask: Ask, round: Round): void {
    const tries = triesIn(round);
    const kinds = tries.map(({ result }) => result?.kind);
    const kind = kinds.includes("unreachable") ? "outage" : kinds.includes("busy") ? "busy" : undefined;
    if (!kind) return;
    const known = ask.isOfKnownUser();
    if (this.#isHopeless(known)) {
      round.whyNotFollowed = "every breaker was open";
      return;
    }
    const at = Math.max(...tries.map(({ ended }) => ended!.at));
    if (at !== this.#taken.at) this.#taken = nothingTaken(at);
    const [bucket, taken] = known
      ? [this.#buckets.known, this.#taken.known]
      : [this.#buckets.strangers, this.#taken.strangers];
    const left = Math.max(0, bucket[kind] - 1);
    if (left + taken[kind] < BUCKET / 2 - 1e-6) round.whyNotFollowed = "the retry budget was used up";
    if (!this.#surelyHadTime(ask, tries)) return;
    taken[kind] += bucket[kind] - left;
    bucket[kind] = left;
  }

  /** Whether there was time for another try, even if it had waited for the longest. The deadline may run since long before its first try. */
  #surelyHadTime(ask: Ask, tries: readonly Try[]): boolean {
    const { began, rounds } = ask;
    const { headers, limit } = this.#settings;
    if (headers === "function" || limit.maxConcurrent <= FEW_PLACES || this.#mayHaveWaited(ask)) return false;
    const ended = Math.max(...tries.map(({ ended }) => ended!.at));
    const leftMs = began.at + budgets(this.#settings).deadlineMs - ended;
    return leftMs > this.#longestWait(askedFor(tries), rounds.length) + LEAST_MS + ROUNDING_MS;
  }

  #longestWait(askedMs: number, tries: number): number {
    const { initialDelayMs, maxDelayMs } = this.#settings.retry;
    return Math.max(askedMs, Math.min(maxDelayMs, initialDelayMs * 2 ** (tries - 1)));
  }
}

function nothingTaken(at: number) {
  return { at, known: { outage: 0, busy: 0 }, strangers: { outage: 0, busy: 0 } };
}

/** How long the upstreams want to be left alone. */
function askedFor(tries: readonly Try[]): number {
  return Math.max(0, ...tries.map(({ result }) => (result && "retryAfterMs" in result && result.retryAfterMs) || 0));
}

function triesIn({ grpc, rest }: Round): Try[] {
  return [grpc, rest].filter((attempt) => attempt !== undefined);
}
