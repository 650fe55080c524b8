import { type ContextValues, createContextKey, createContextValues } from "@connectrpc/connect";
import type { Clock } from "../runtime/clock.js";
import { Standing } from "../runtime/standing.js";
import type { Upstream } from "./outcome.js";

/** No try starts with less than this left, in milliseconds: a call and its answer take as long through a busy event loop. */
export const MIN_TRY_MS = 20;

/** The way to a try's start eats a little of its timeout: from this share on, the upstream had its fair chance. */
const FAIR_SHARE = 0.9;

/** Whether a try that ran into its timeout says something about the upstream: not when it was given less than usual. */
export function hadItsTime(givenMs: number | undefined, timeoutMs: number): boolean {
  return givenMs === undefined || givenMs >= timeoutMs * FAIR_SHARE;
}

const deadlineKey = createContextKey(Number.POSITIVE_INFINITY, { description: "deadline, monotonic milliseconds" });
const triesKey = createContextKey<Tries | undefined>(undefined, { description: "the tries under way" });
const freshKey = createContextKey(false, { description: "wants no cached answer" });
const standingKey = createContextKey<Standing | undefined>(undefined, { description: "known, or a stranger's" });
const queuedKey = createContextKey<((ms: number) => void) | undefined>(undefined, { description: "told of its wait" });
const answeredByKey = createContextKey<Upstream | undefined>(undefined, { description: "the upstream that answered" });
const untoldKey = createContextKey(false, { description: "in no count, and told of nowhere" });

/** @param isBeside another try of the same call is under way: which of them will bring the answer is not known yet */
export type OnTry = (isBeside: boolean) => void;

export interface CallContextOptions {
  /** Called before each try: an answer is as old as the try that brought it, which can be long after the call. */
  onTry?: OnTry | undefined;
  /** Whether no cache on the way may answer. Default `false`. */
  fresh?: boolean;
  /** Default: a stranger's. */
  standing?: Standing | undefined;
  /** Told when the call has waited for a place, for so many milliseconds, whatever came of that. */
  onQueued?: ((ms: number) => void) | undefined;
}

/**
 * What travels with one call through the stages: its absolute deadline and its standing down, the upstream that answered up.
 *
 * @param deadline monotonic, in milliseconds
 */
export function createCallContext(
  deadline: number,
  { onTry, fresh = false, standing, onQueued }: CallContextOptions = {},
): ContextValues {
  const context = createContextValues().set(deadlineKey, deadline);
  if (onTry) context.set(triesKey, { onTry, pending: 0 });
  if (standing) context.set(standingKey, standing);
  if (onQueued) context.set(queuedKey, onQueued);
  return fresh ? context.set(freshKey, true) : context;
}

/** Whether the call is a known user's, and of which: it can still move up. */
export function standingOf(context: ContextValues | undefined): Standing {
  return context?.get(standingKey) ?? new Standing();
}

/** Whether the call is a known user's by now. */
export function isKnown(context: ContextValues | undefined): boolean {
  return context?.get(standingKey)?.known ?? false;
}

export function isFresh(context: ContextValues | undefined): boolean {
  return context?.get(freshKey) ?? false;
}

/** The call has waited for a place, for so many milliseconds. */
export function tellQueued(context: ContextValues | undefined, ms: number): void {
  context?.get(queuedKey)?.(ms);
}

/** The tries of one call. */
interface Tries {
  readonly onTry: OnTry;
  pending: number;
}

/** The call leaves for an upstream. Returns what is to be called once, when this try is over. */
export function beginTry(context: ContextValues | undefined): () => void {
  const tries = context?.get(triesKey);
  if (!tries) return ignore;
  tries.onTry(tries.pending > 0);
  tries.pending++;
  return () => void tries.pending--;
}

/** A try that is under way leaves once more. */
export function repeatTry(context: ContextValues | undefined): void {
  const tries = context?.get(triesKey);
  tries?.onTry(tries.pending > 1);
}

function ignore(): void {}

/** Milliseconds until the call's deadline; can be negative. A call that came without one has for ever. */
export function timeLeftMs(context: ContextValues | undefined, clock: Clock): number {
  return (context?.get(deadlineKey) ?? Number.POSITIVE_INFINITY) - clock.monotonic();
}

/** The first one stays: a probe that runs beside may answer too, when the call has its answer already. */
export function setAnsweredBy(context: ContextValues | undefined, upstream: Upstream): void {
  if (context?.get(answeredByKey) === undefined) context?.set(answeredByKey, upstream);
}

export function answeredBy(context: ContextValues): Upstream | undefined {
  return context.get(answeredByKey);
}

/** Of a call that may have come without a context. */
export function setUntold(context: ContextValues = createContextValues()): ContextValues {
  return context.set(untoldKey, true);
}

export function isUntold(context: ContextValues | undefined): boolean {
  return context?.get(untoldKey) ?? false;
}
