import type { AnswerSource } from "../../src/cache/spec.js";
import type { BreakerWatch } from "./breaker-watch.js";
import type { Journal } from "./journal.js";
import type { Moment, Request } from "./records.js";
import type { Settings } from "./settings.js";

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
