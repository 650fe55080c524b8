import { raceAbort, sleep } from "../runtime/abort.js";
import type { Clock } from "../runtime/clock.js";
import type { Upstream } from "../transport/outcome.js";

/** An attempt to connect that takes longer has failed, in milliseconds. */
const CONNECT_MS = 1000;
/** From one attempt to the next, in milliseconds. */
const RETRY_EVERY_MS = 250;

/** What is waited for, beside the shared cache's first attempt to connect. */
export interface ReadyOptions {
  /**
   * Ask an upstream, not only connect to it: VerifyToken of the text `portero-ready`, past the breakers. An answer or a refusal is ready;
   * what is no answer of the auth service (another server, a wrong path) is not. Default `false`.
   */
  ask?: boolean;
  /** Ends it, with the signal's reason; that of `AbortSignal.timeout` becomes one of the same name that says what was missing. */
  signal?: AbortSignal;
}

/** @throws TypeError for anything else than a signal or options, or an option that does not exist: it would wait without an end */
export function readReadyOptions(given: AbortSignal | ReadyOptions | null | undefined): ReadyOptions {
  if (given === undefined || given === null) return {};
  if (typeof given !== "object") throw new TypeError(`ready() takes a signal: write ready(${timeoutOf(given)})`);
  if ("aborted" in given) return { signal: given };
  const [unknown] = Object.keys(given).filter((key) => key !== "ask" && key !== "signal");
  if (unknown === undefined) return given;
  const instead = /time/i.test(unknown)
    ? `write { signal: ${timeoutOf(Reflect.get(given, unknown))} }`
    : "there are ask, signal";
  throw new TypeError(`ready() has no option ${JSON.stringify(unknown.slice(0, 40))}: ${instead}`);
}

function timeoutOf(ms: unknown): string {
  return `AbortSignal.timeout(${typeof ms === "number" && ms > 0 ? ms : 1000})`;
}

/** An upstream that can be tried. What its methods reject with says in words what is wrong. */
export interface TriedUpstream {
  readonly upstream: Upstream;
  /** Of one call, in milliseconds. */
  readonly timeoutMs: number;
  connect(): Promise<void>;
  /** Resolves when it answers a question, or refuses it. */
  ask(signal: AbortSignal): Promise<void>;
}

export interface ReadinessOptions {
  readonly upstreams: readonly TriedUpstream[];
  readonly ask: boolean;
  /** Resolves when the shared cache has been tried once. */
  readonly cache: { ready(): Promise<void> };
  readonly clock: Clock;
}

/** Resolves when an upstream can be connected to, or answers, and the shared cache has been tried once; rejects when the signal aborts. */
export async function becomeReady(options: ReadinessOptions, signal: AbortSignal): Promise<void> {
  const { upstreams, ask, cache, clock } = options;
  const attemptMs = CONNECT_MS + (ask ? Math.max(...upstreams.map(({ timeoutMs }) => timeoutMs)) : 0);
  /** Why each of them is not ready. */
  const reasons = new Map(upstreams.map(({ upstream }) => [upstream, `${upstream} has not been reached yet`]));
  signal.throwIfAborted();
  try {
    while (!(await isAnyReady())) await sleep(clock, RETRY_EVERY_MS, signal);
    reasons.clear();
    await raceAbort(cache.ready(), signal);
  } catch (error) {
    throw isTimeout(error)
      ? timeoutSaying(reasons.size > 0 ? [...reasons.values()] : ["the shared cache is silent"])
      : error;
  }

  async function isAnyReady(): Promise<boolean> {
    const over = new AbortController();
    const late = sleep(clock, attemptMs, AbortSignal.any([signal, over.signal])).then(() => false);
    try {
      return await Promise.race([
        Promise.any(upstreams.map((each) => attempt(each, over.signal))).catch(() => false),
        late,
      ]);
    } finally {
      over.abort();
    }
  }

  async function attempt(each: TriedUpstream, over: AbortSignal): Promise<true> {
    try {
      await each.connect();
      if (ask) await each.ask(over);
      return true;
    } catch (error) {
      if (!over.aborted) reasons.set(each.upstream, (error as Error).message);
      throw error;
    }
  }
}

/** As `AbortSignal.timeout` makes it. */
function isTimeout(error: unknown): boolean {
  return (error as Partial<Error> | null | undefined)?.name === "TimeoutError";
}

/** Named as the signal's own reason is, so that what looks for that finds it. */
function timeoutSaying(reasons: readonly string[]): Error {
  return new DOMException(`portero is not ready: ${reasons.join("; ")}`, "TimeoutError");
}
