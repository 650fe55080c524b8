import type { AnswerSource } from "../../src/cache/spec.js";
import type { BreakerWatch } from "./breaker-watch.js";
import type { Journal } from "./journal.js";
import type { Invalidation, Moment, Request } from "./records.js";
import type { Settings } from "./settings.js";

/** What is known of the log of invalidations, as a process reads it. */
export interface LogView {
  /** When the process had been handed all that there was. */
  readonly caughtUpAs: Moment | undefined;
  /** When it last found the place from which on it reads, or noticed a gap: what was told before is not known. */
  readonly beganAs: Moment | undefined;
  /** When entries were last lost, whatever by. */
  readonly disturbedAt: number;
  /** The process says that it hears. */
  readonly isLive: boolean;
  /** Whether it reads what that one tells: each secret has a log of its own. */
  isOf(by: Witness): boolean;
  /** Whether nothing was lost of what another one told, or it must have been told again by now. */
  isMadeGood(invalidation: Invalidation, by: Witness): boolean;
}

/** A process as the rules see it. */
export interface Witness {
  readonly name: string;
  readonly settings: Settings;
  readonly journal: Journal;
  readonly breakers: BreakerWatch;
  /** Whether as many questions are asked at this moment as may be. */
  readonly isSaturated: boolean;
  /** What its wall clock says. */
  readonly wall: number;
  /** What wall clocks may make an answer older by that another process shared, in milliseconds: what they differ by. */
  readonly clockSlackMs: number;
  /** The other processes that ask the same service. */
  readonly peers: readonly Witness[];
  /** Where there is one. */
  readonly log: LogView | undefined;
  /** Of all processes. */
  readonly everyJournal: readonly Journal[];
  /** Whether a failover of the store lost what was done between the two times. */
  hasLost(from: number, to: number): boolean;
  /** Whether the shared store has ever been anything but well. */
  readonly wasStoreTroubled: boolean;
  /** Since when it has been well; infinite where it is not. */
  readonly storeCalmSince: number;
  /** What the shared store holds under an answer's mark, and when that was written, where it can be seen. */
  storedAs(mark: string): { readonly text: string; readonly writtenAt: number } | undefined;
  /** When an answer was last written to the shared store, where that can be seen. */
  writtenAt(mark: string): number | undefined;
}

/** Something that a process told somebody who had asked. */
export interface Use {
  readonly by: Witness;
  readonly request: Request;
  readonly when: Moment;
  /** Where it says that the answer came from; look-ups do not say. */
  readonly source?: AnswerSource | undefined;
}
