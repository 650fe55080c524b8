import type { Clock } from "./clock.js";
import { setPatientTimeout } from "./patient-timeout.js";

/** Settles as `promise` does, or rejects with the signal's reason as soon as it aborts. The promise itself goes on. */
export function raceAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
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
