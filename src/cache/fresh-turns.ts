import type { Clock } from "../runtime/clock.js";
import { Standing } from "../runtime/standing.js";
import type { AskedQuestion } from "./question-watch.js";

/** So many usual answer times a caller waits for a turn: to the power of the loads that are under way, so that these do not become many. */
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

/** The turns of one id: the latest, and how many loads are under way. */
interface Turns<T> {
  latest: Turn<T>;
  running: number;
}

interface NextTurn<T> {
  readonly standing: Standing;
  readonly landed: Promise<T>;
  readonly asked: AskedQuestion | undefined;
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
  readonly #turns = new Map<string, Turns<T>>();
  #usualMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A question was answered, and not refused, after so many milliseconds. */
  answeredAfter(ms: number): void {
    this.#usualMs = this.#usualMs === undefined ? ms : this.#usualMs + (ms - this.#usualMs) * WEIGHT;
  }

  /**
   * A load that has not begun yet, or begins now.
   *
   * @param user that the caller asks for, if it is known; a stranger's turn moves up
   * @param asked the caller's question, where questions are watched
   */
  take(id: string, begin: Begin<T>, user?: string, asked?: AskedQuestion): Promise<T> {
    const since = this.#clock.monotonic();
    const turns = this.#turns.get(id);
    if (!turns) return this.#begin(id, () => begin(since, new Standing(user)));
    const turn = turns.latest;
    turn.next ??= this.#next(turns, id, (standing) => begin(since, standing), asked);
    if (asked && turn.next.asked !== asked) asked.joined = turn.next.asked;
    if (user !== undefined) turn.next.standing.moveUp(user);
    return turn.next.landed;
  }

  #next(
    turns: Turns<T>,
    id: string,
    begin: (standing: Standing) => Promise<T>,
    asked: AskedQuestion | undefined,
  ): NextTurn<T> {
    const standing = new Standing();
    return { standing, asked, landed: this.#after(turns).then(() => this.#begin(id, () => begin(standing))) };
  }

  #begin(id: string, begin: () => Promise<T>): Promise<T> {
    const turn: Turn<T> = { landed: begin(), begunAt: this.#clock.monotonic(), next: undefined };
    const turns = this.#turns.get(id) ?? { latest: turn, running: 0 };
    this.#turns.set(id, turns);
    turns.latest = turn;
    turns.running++;
    const end = () => {
      turns.running--;
      if (turns.running === 0 && !turns.latest.next) this.#turns.delete(id);
    };
    turn.landed.then(end, end);
    return turn.landed;
  }

  /** Resolves when the load has ended, or takes too long. */
  #after({ latest: { landed, begunAt }, running }: Turns<T>): Promise<void> {
    const patienceMs = (this.#usualMs ?? FIRST_ANSWER_MS) * PATIENCE ** running;
    return new Promise((resolve) => {
      const timer = this.#clock.setTimeout(resolve, Math.max(0, begunAt + patienceMs - this.#clock.monotonic()));
      const end = () => {
        timer.clear();
        resolve();
      };
      landed.then(end, end);
    });
  }
}
