import type { Clock } from "../runtime/clock.js";
import { Standing } from "../runtime/standing.js";

/** Usual answer times that a caller waits for a turn, at most. */
const PATIENCE = 2;
/** What is taken for the usual answer time before there was an answer, in milliseconds. */
const FIRST_ANSWER_MS = 100;
/** The part that one more answer has in the usual answer time (RFC 6298 §2). */
const WEIGHT = 1 / 8;

/** A fresh load that is under way, and the one that waits for its end. */
interface Turn<T> {
  readonly landed: Promise<T>;
  readonly begunAt: number;
  next: NextTurn<T> | undefined;
}

interface NextTurn<T> {
  readonly standing: Standing;
  readonly landed: Promise<T>;
}

/** Begins a load; `since` is when the first of its callers came, monotonic in milliseconds. */
type Begin<T> = (since: number, standing: Standing) => Promise<T>;

/**
 * Fresh loads, by turns: of one id one is under way, and one waits for it. A caller must not get what was asked before it came, so that it
 * waits for the next turn, with all that come meanwhile: however many ask, they take the places of two.
 *
 * The next turn does not wait for ever: one load may hang where another would not. Each one that hangs doubles the wait.
 */
export class FreshTurns<T> {
  readonly #clock: Clock;
  readonly #turns = new Map<string, Turn<T>>();
  readonly #running = new Map<string, number>();
  #usualMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A question was answered, after so many milliseconds. */
  answeredAfter(ms: number): void {
    this.#usualMs = this.#usualMs === undefined ? ms : this.#usualMs + (ms - this.#usualMs) * WEIGHT;
  }

  /**
   * A load that has not begun yet, or begins now.
   *
   * @param user that the caller asks for, if it is known; a stranger's turn moves up
   */
  take(id: string, begin: Begin<T>, user?: string): Promise<T> {
    const since = this.#clock.monotonic();
    const turn = this.#turns.get(id);
    if (!turn) return this.#begin(id, () => begin(since, new Standing(user)));
    turn.next ??= this.#next(turn, id, (standing) => begin(since, standing));
    if (user !== undefined) turn.next.standing.moveUp(user);
    return turn.next.landed;
  }

  #next(turn: Turn<T>, id: string, begin: (standing: Standing) => Promise<T>): NextTurn<T> {
    const standing = new Standing();
    return { standing, landed: this.#after(turn, id).then(() => this.#begin(id, () => begin(standing))) };
  }

  #begin(id: string, begin: () => Promise<T>): Promise<T> {
    const turn: Turn<T> = { landed: begin(), begunAt: this.#clock.monotonic(), next: undefined };
    this.#turns.set(id, turn);
    this.#running.set(id, this.#runningOf(id) + 1);
    const end = () => {
      const left = this.#runningOf(id) - 1;
      if (left > 0) this.#running.set(id, left);
      else this.#running.delete(id);
      if (this.#turns.get(id) === turn && !turn.next) this.#turns.delete(id);
    };
    turn.landed.then(end, end);
    return turn.landed;
  }

  /** Resolves when the load has ended, or takes too long. */
  #after({ landed, begunAt }: Turn<T>, id: string): Promise<void> {
    const patienceMs = (this.#usualMs ?? FIRST_ANSWER_MS) * PATIENCE ** this.#runningOf(id);
    return new Promise((resolve) => {
      const timer = this.#clock.setTimeout(resolve, Math.max(0, begunAt + patienceMs - this.#clock.monotonic()));
      const end = () => {
        timer.clear();
        resolve();
      };
      landed.then(end, end);
    });
  }

  #runningOf(id: string): number {
    return this.#running.get(id) ?? 0;
  }
}
