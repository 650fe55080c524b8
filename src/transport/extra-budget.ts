/** In tenths of a call. */
const [MOST, PER_QUESTION, PER_CALL] = [100, 1, 10];

/** What pays for calls beyond one for each question, in the manner of gRPC's retry throttling (gRFC A6): ten, and one for ten questions. */
export class ExtraBudget {
  #tenths = MOST;

  earn(): void {
    this.#tenths = Math.min(MOST, this.#tenths + PER_QUESTION);
  }

  get isEmpty(): boolean {
    return this.#tenths < PER_CALL;
  }

  /** Whether one could be paid for. */
  spend(): boolean {
    if (this.isEmpty) return false;
    this.#tenths -= PER_CALL;
    return true;
  }
}
