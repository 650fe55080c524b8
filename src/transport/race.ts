import { Code, ConnectError, type ContextValues } from "@connectrpc/connect";
import type { Clock, Timer } from "../runtime/clock.js";
import { setPatientTimeout } from "../runtime/patient-timeout.js";
import { Attempt, isUnconfirmed } from "./attempt.js";
import { beginTry, hadItsTime, isKnown, MIN_TRY_MS, repeatTry, standingOf } from "./call-context.js";
import type { ExtraBudget } from "./extra-budget.js";
import { isTimeout } from "./grpc-outcome.js";
import { setUnconfirmed, UpstreamError } from "./outcome.js";
import type { Replica } from "./replica.js";
import type { Wanted } from "./replica-choice.js";
import type { ReplicaSet } from "./replica-set.js";
import type { TryController } from "./timeout.js";
import type { ExtraPlaces } from "./upstream-limits.js";

export interface RaceOptions {
  readonly clock: Clock;
  /** Of one call, in milliseconds. */
  readonly timeoutMs: number;
  /** A question without an answer is put to another replica, too, after so many milliseconds. 0 = no question is put to two at once. */
  readonly hedgeMs: number;
  /** Whether another replica is asked what one has failed at, though it may have processed it. */
  readonly asksAgain: boolean;
  readonly places: ExtraPlaces;
}

/** How often another replica was asked as well: beside the first, and after its failure. */
export interface RaceCounts {
  hedged: number;
  secondTries: number;
}

/** What the calls of one upstream have in common. */
export interface Shared {
  readonly replicas: ReplicaSet;
  readonly options: RaceOptions;
  readonly counts: RaceCounts;
}

/** One question, and how it is put to a replica. */
export interface RacedQuestion<R> {
  readonly context: ContextValues | undefined;
  readonly controller: TryController;
  readonly timeoutMs: number | undefined;
  ask(replica: Replica, limits: { readonly timeoutMs: number | undefined; readonly signal: AbortSignal }): Promise<R>;
}

/** One question, at one replica or two: the first verdict ends the matter. */
export class Race<R> {
  readonly #question: RacedQuestion<R>;
  readonly #budget: ExtraBudget;
  readonly #shared: Shared;
  readonly #began: number;
  readonly #attempts: Attempt[] = [];
  /** Answers that were none: that another replica has one says which is to blame. */
  readonly #broken: Attempt[] = [];
  readonly #failures: UpstreamError[] = [];
  #timer: Timer | undefined;
  #triedAgain = false;
  #lacksBudget = false;
  #resolve!: (response: R) => void;
  #reject!: (error: unknown) => void;

  constructor(question: RacedQuestion<R>, budget: ExtraBudget, shared: Shared) {
    this.#question = question;
    this.#budget = budget;
    this.#shared = shared;
    this.#began = shared.options.clock.monotonic();
  }

  /** Puts it to one of them. */
  run(first: Replica): Promise<R> {
    const { controller, timeoutMs } = this.#question;
    const { clock, hedgeMs } = this.#shared.options;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      if (controller.signal.aborted) return reject(controller.signal.reason);
      controller.onAbort = this.#onAbort;
      if (hedgeMs > 0) this.#timer = setPatientTimeout(clock, this.#hedge, hedgeMs);
      this.#start(this.#attemptAt(first, timeoutMs, controller));
    });
  }

  /** @param controller the question's own for the first one, which has nothing to end but what the question has */
  #attemptAt(replica: Replica, timeoutMs: number | undefined, controller = new AbortController()): Attempt {
    const { replicas, options } = this.#shared;
    const began = options.clock.monotonic();
    return new Attempt(replica, { timeoutMs, controller, began, answersBeside: replicas.answersBeside(replica) });
  }

  #start(attempt: Attempt): void {
    const { replica, timeoutMs, controller } = attempt;
    this.#attempts.push(attempt);
    replica.begin();
    this.#question.ask(replica, { timeoutMs, signal: controller.signal }).then(
      (response) => {
        if (this.#end(attempt)) this.#verdict(attempt, () => this.#resolve(response), true);
        attempt.leave?.();
      },
      (error: unknown) => {
        if (this.#end(attempt)) this.#failed(attempt, error);
        attempt.leave?.();
      },
    );
  }

  /** Whether it was under way: one that was cancelled is over, whatever its transport does about it. */
  #end(attempt: Attempt): boolean {
    if (!attempt.isPending) return false;
    attempt.isPending = false;
    attempt.replica.end();
    attempt.endTry?.();
    return true;
  }

  #cancel(attempt: Attempt, reason: unknown): void {
    this.#end(attempt);
    attempt.leave?.();
    attempt.leave = undefined;
    this.#shared.replicas.postpone(attempt.replica, attempt);
    attempt.controller.abort(reason);
  }

  /** The first one ends the others. One that was asked earlier has lost. */
  #verdict(attempt: Attempt, tell: () => void, speaksWell: boolean): void {
    const { replicas } = this.#shared;
    if (speaksWell) replicas.succeeded(attempt.replica, attempt);
    this.#finish();
    tell();
    if (this.#attempts.length === 1) return;
    const at = this.#attempts.indexOf(attempt);
    for (const [index, other] of this.#attempts.entries()) {
      if (!other.isPending) continue;
      if (index < at) replicas.lostRace(other.replica, other);
      this.#cancel(other, new ConnectError("another replica answered", Code.Canceled));
    }
    for (const broken of this.#broken) replicas.strike(broken.replica, "broken answers", broken);
  }

  #failed(attempt: Attempt, error: unknown): void {
    const { replicas, options } = this.#shared;
    if (error instanceof UpstreamError) {
      const known = isKnown(this.#question.context);
      if (error.failure === "refused") {
        if (!known) replicas.alive(attempt.replica, attempt);
        return this.#verdict(attempt, () => this.#reject(error), known);
      }
      const fair = hadItsTime(attempt.timeoutMs, options.timeoutMs);
      if (error.failure === "busy") replicas.alive(attempt.replica, attempt);
      else replicas.failed(attempt.replica, error, attempt, { fair, known });
      if (error.failure === "broken" && !error.healthy) this.#broken.push(attempt);
      this.#failures.push(error);
      if (error.failure === "unreachable" && this.#tryAgain(attempt, error)) return;
    } else replicas.postpone(attempt.replica, attempt);
    if (this.#attempts.some(({ isPending }) => isPending)) return;
    this.#finish();
    this.#reject(error instanceof UpstreamError ? this.#confirmed(error) : error);
  }

  /** On another replica, at once: it failed before its time. */
  #tryAgain(failed: Attempt, error: UpstreamError): boolean {
    const { options, counts } = this.#shared;
    const timeoutMs = this.#timeLeftMs();
    const isTooLate = this.#question.controller.signal.aborted || (timeoutMs !== undefined && timeoutMs < MIN_TRY_MS);
    const isLatest = this.#attempts.at(-1) === failed;
    const asksAgain = options.asksAgain || error.unprocessed || error.unconnected;
    if (this.#triedAgain || isTooLate || !isLatest || !asksAgain) return false;
    const other = this.#another();
    if (!other) return false;
    this.#triedAgain = true;
    counts.secondTries++;
    const { context } = this.#question;
    const isBeside = this.#attempts.some(({ isPending }) => isPending);
    if (!isBeside) repeatTry(context);
    const another = this.#attemptAt(other, timeoutMs);
    another.leave = failed.leave;
    failed.leave = undefined;
    if (isBeside) another.endTry = beginTry(context);
    this.#start(another);
    return true;
  }

  /** On another replica beside the one that does not answer. */
  readonly #hedge = (): void => {
    const { options, counts } = this.#shared;
    this.#timer = undefined;
    const latest = this.#attempts.at(-1) as Attempt;
    const waitedMs = options.clock.monotonic() - latest.began;
    if (waitedMs < options.hedgeMs) {
      this.#timer = setPatientTimeout(options.clock, this.#hedge, options.hedgeMs - waitedMs);
      return;
    }
    const timeoutMs = this.#timeLeftMs();
    if (timeoutMs !== undefined && timeoutMs < MIN_TRY_MS) return;
    const leave = options.places.beside(standingOf(this.#question.context));
    const other = leave && this.#another({ orOut: false });
    if (!other) return leave?.();
    counts.hedged++;
    const another = this.#attemptAt(other, timeoutMs);
    another.leave = leave;
    another.endTry = beginTry(this.#question.context);
    this.#start(another);
  };

  /** A replica that was not asked yet, paid for. */
  #another(wanted: Wanted = {}): Replica | undefined {
    const { replicas } = this.#shared;
    const untried = { ...wanted, tried: this.#attempts.map(({ replica }) => replica) };
    if (!replicas.has(untried)) return undefined;
    if (this.#budget.spend()) return replicas.pick(untried);
    this.#lacksBudget = true;
    return undefined;
  }

  #timeLeftMs(): number | undefined {
    const { timeoutMs } = this.#question;
    return timeoutMs && timeoutMs - (this.#shared.options.clock.monotonic() - this.#began);
  }

  #confirmed(last: UpstreamError): UpstreamError {
    const failure = last.ours ? (this.#failures.findLast(({ ours }) => !ours) ?? last) : last;
    failure.unconfirmed = this.#isUnconfirmed;
    return failure;
  }

  get #isUnconfirmed(): boolean {
    return isUnconfirmed(this.#attempts, this.#failures, this.#lacksBudget, this.#shared.replicas);
  }

  #finish(): void {
    this.#timer?.clear();
    this.#question.controller.onAbort = undefined;
  }

  readonly #onAbort = (reason: unknown): void => {
    if (this.#isUnconfirmed) setUnconfirmed(reason);
    this.#finish();
    const { replicas, options } = this.#shared;
    for (const attempt of this.#attempts) {
      if (!attempt.isPending) continue;
      if (isTimeout(reason)) {
        const timedOut = new UpstreamError("grpc", "unreachable", "timeout", { timedOut: true });
        const fair = hadItsTime(attempt.timeoutMs, options.timeoutMs);
        replicas.failed(attempt.replica, timedOut, attempt, { fair, known: isKnown(this.#question.context) });
      }
      this.#cancel(attempt, reason);
    }
    this.#reject(reason);
  };
}
