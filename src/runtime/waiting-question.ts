import { whenAborted } from "./abort.js";
import type { Clock, Timer } from "./clock.js";
import type { Standing } from "./standing.js";

/** A place that was taken, by a known user or by a stranger: whichever the question was when it got in. */
export interface Place {
  readonly user: string | undefined;
}

/** Where questions wait. */
export interface WaitingRoom {
  left(question: WaitingQuestion): void;
  movedUp(question: WaitingQuestion): void;
  /** What a question gets that is turned away. */
  overloaded(known: boolean, reason: string): Error;
}

export interface WaitingOptions {
  clock: Clock;
  /** How long it may wait, in milliseconds. */
  leftMs: number;
  /** Ends it. Has not aborted. */
  signal: AbortSignal | undefined;
}

/** A question that waits for a place until it gets one, is turned away, or ends. A flood makes many: all that it needs lies in itself. */
export class WaitingQuestion {
  readonly standing: Standing;
  readonly place: Promise<Place>;
  readonly #room: WaitingRoom;
  readonly #timer: Timer | undefined;
  readonly #letGo: (() => void) | undefined;
  #resolve!: (place: Place) => void;
  #reject!: (error: unknown) => void;

  constructor(standing: Standing, room: WaitingRoom, { clock, leftMs, signal }: WaitingOptions) {
    this.standing = standing;
    this.#room = room;
    this.place = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (Number.isFinite(leftMs)) {
      this.#timer = clock.setTimeout(() => this.turnAway("no place within the deadline"), Math.max(0, leftMs));
    }
    standing.onMoveUp = () => room.movedUp(this);
    this.#letGo = signal && whenAborted(signal, () => this.#fail(signal.reason));
  }

  enter(place: Place): void {
    this.#leave();
    this.#resolve(place);
  }

  turnAway(reason: string): void {
    this.#fail(this.#room.overloaded(this.standing.known, reason));
  }

  #fail(error: unknown): void {
    this.#leave();
    this.#reject(error);
  }

  #leave(): void {
    this.#room.left(this);
    this.standing.onMoveUp = undefined;
    this.#timer?.clear();
    this.#letGo?.();
  }
}
