import type { Gate } from "./load-task.js";
import type { AskedQuestion } from "./question-watch.js";
import type { Outcome } from "./spec.js";

/** How a load lands: the service answered, or refused, or could not tell; then an expired entry may be served. */
export type Landing<P, R> =
  | Outcome<P, R>
  | { readonly kind: "unavailable"; readonly error: unknown; readonly stale: P | undefined }
  /** The service was not asked. That goes for the caller alone whose gate it was. */
  | { readonly kind: "turned away"; readonly gate: Gate; readonly error: unknown };

export interface LoadCounts {
  /** Answered by the process cache. */
  hits: number;
  /** Answered by the shared cache. */
  sharedHits: number;
  /** Answered by a remembered refusal. */
  refusals: number;
  /** Asked of the service. */
  misses: number;
  /** Refreshes that were begun. */
  renewals: number;
}

/** On behalf of which user a question is asked: the key of the subject, where the caller knows it. */
export type Asker = () => string | undefined;

/** Of the caller that a load is begun for. */
export interface Caller {
  readonly asker?: Asker;
  readonly gate?: Gate;
  readonly asked?: AskedQuestion | undefined;
}
