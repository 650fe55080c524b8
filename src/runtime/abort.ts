import type { Clock } from "./clock.js";
import { setPatientTimeout } from "./patient-timeout.js";
import { type Waiting, WaitList } from "./wait-list.js";

interface Callback extends Waiting<Callback> {
  readonly call: () => void;
}

/** The callbacks of a signal, behind the one listener that it has for all of them. */
interface Listened {
  readonly callbacks: WaitList<Callback>;
  readonly listener: () => void;
}

const listened = new WeakMap<AbortSignal, Listened>();

/**
 * Calls back when the signal aborts; the function returned lets go of that. The signal of a client is waited for by all its calls at
 * once, and Node looks through all the listeners of a signal whenever it takes or loses one: here they have one together.
 *
 * @param signal where it has aborted, nothing is called
 * @param call throws nothing
 */
export function whenAborted(signal: AbortSignal, call: () => void): () => void {
  const { callbacks, listener } = listenedFor(signal);
  const callback: Callback = { call, before: undefined, after: undefined };
  if (!callbacks.first) signal.addEventListener("abort", listener, { once: true });
  callbacks.add(callback);
  return () => {
    if (callbacks.delete(callback) && !callbacks.first) signal.removeEventListener("abort", listener);
  };
}

/** Apart: a closure keeps alive all that lies around it, and this one lives for as long as the signal. */
function listenedFor(signal: AbortSignal): Listened {
  const own = listened.get(signal);
  if (own) return own;
  const callbacks = new WaitList<Callback>();
  const made = { callbacks, listener: () => callAll(callbacks) };
  listened.set(signal, made);
  return made;
}

/** One that another lets go of is not called any more. */
function callAll(callbacks: WaitList<Callback>): void {
  for (let next = callbacks.first; next; next = callbacks.first) {
    callbacks.delete(next);
    next.call();
  }
}

/** Settles as `promise` does, or rejects with the signal's reason as soon as it aborts. The promise itself goes on. */
export function raceAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    promise.then(resolve, reject).finally(whenAborted(signal, onAbort));
  });
}

/** Settles as `promise` does, or rejects with `late()` after `ms` milliseconds. The promise itself goes on. */
export function raceTimeout<T>(promise: Promise<T>, clock: Clock, ms: number, late: () => Error): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setPatientTimeout(clock, () => reject(late()), ms);
    promise.then(
      (value) => {
        timer.clear();
        resolve(value);
      },
      (error) => {
        timer.clear();
        reject(error);
      },
    );
  });
}

/** Resolves after `ms` milliseconds; rejects with the signal's reason when that aborts first. */
export function sleep(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: { clear(): void } | undefined;
  const slept = new Promise<void>((resolve) => {
    timer = clock.setTimeout(resolve, ms);
  });
  return raceAbort(slept, signal).finally(() => timer?.clear());
}
