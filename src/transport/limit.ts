import type { Transport } from "@connectrpc/connect";
import type { Clock } from "../runtime/clock.js";
import { MIN_TRY_MS, timeLeftMs } from "./call-context.js";
import { OverloadedError } from "./outcome.js";
import { forward, type UnaryCall, unaryTransport } from "./stage.js";

export interface LimitOptions {
  /** Calls under way at once. */
  maxConcurrent: number;
  /** Calls that wait for a place; one more is turned away. */
  maxQueue: number;
  clock: Clock;
}

/** How many calls are under way and how many wait. */
export interface Load {
  readonly active: number;
  readonly queued: number;
}

/** A transport that lets through so many calls at a time, in the order they came. */
export function withLimit(inner: Transport, options: LimitOptions): { transport: Transport; load: () => Load } {
  const { maxConcurrent, maxQueue, clock } = options;
  const queue = new Set<() => void>();
  let active = 0;

  const transport = unaryTransport(async (call) => {
    if (active < maxConcurrent) active++;
    else await place(call);
    try {
      return await forward(inner, call);
    } finally {
      release();
    }
  });
  return { transport, load: () => ({ active, queued: queue.size }) };

  /** Resolves when a place was handed over. */
  function place({ context, signal }: Pick<UnaryCall, "context" | "signal">): Promise<void> {
    if (queue.size >= maxQueue) {
      return Promise.reject(new OverloadedError(`${active} calls under way and ${queue.size} waiting`));
    }
    return new Promise<void>((resolve, reject) => {
      const leave = () => {
        queue.delete(enter);
        timer?.clear();
        signal?.removeEventListener("abort", onAbort);
      };
      const enter = () => {
        leave();
        resolve();
      };
      const onAbort = () => {
        leave();
        reject(signal?.reason);
      };
      const onTimeout = () => {
        leave();
        reject(new OverloadedError(`no place within the deadline: ${active} calls under way, ${queue.size} waiting`));
      };
      queue.add(enter);
      const leftMs = timeLeftMs(context, clock) - MIN_TRY_MS; // a place that leaves no time for a try is of no use
      const timer = Number.isFinite(leftMs) ? clock.setTimeout(onTimeout, Math.max(0, leftMs)) : undefined;
      if (signal?.aborted) onAbort();
      else signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** The place goes to the one who waits longest, without ever being free in between. */
  function release(): void {
    for (const enter of queue) return enter();
    active--;
  }
}
