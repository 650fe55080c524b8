import { raceAbort, sleep } from "../runtime/abort.js";
import type { Clock } from "../runtime/clock.js";

/** An attempt to connect that takes longer has failed, in milliseconds. */
const CONNECT_MS = 1000;
/** From one attempt to the next, in milliseconds. */
const RETRY_EVERY_MS = 250;

export interface ReadinessOptions {
  readonly upstreams: readonly { connect(): Promise<boolean> }[];
  /** Resolves when the shared cache has been tried once. */
  readonly cache: { ready(): Promise<void> };
  readonly clock: Clock;
}

/** Resolves when an upstream can be connected to and the shared cache has been tried once; rejects when the signal aborts. */
export async function becomeReady({ upstreams, cache, clock }: ReadinessOptions, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  while (!(await canConnect())) await sleep(clock, RETRY_EVERY_MS, signal);
  await raceAbort(cache.ready(), signal);

  async function canConnect(): Promise<boolean> {
    const over = new AbortController();
    const late = sleep(clock, CONNECT_MS, AbortSignal.any([signal, over.signal])).then(() => false);
    try {
      return await Promise.race([anyOf(upstreams.map((upstream) => upstream.connect())), late]);
    } finally {
      over.abort();
    }
  }
}

/** Whether one of them resolves to `true`, as soon as one does. */
function anyOf(promises: readonly Promise<boolean>[]): Promise<boolean> {
  const yes = promises.map((promise) => promise.then((can) => can || Promise.reject(new Error("no"))));
  return Promise.any(yes).catch(() => false);
}
