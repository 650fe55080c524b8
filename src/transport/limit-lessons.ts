import type { Transport } from "@connectrpc/connect";
import type { Lesson } from "../runtime/adaptive-limit.js";
import type { Clock } from "../runtime/clock.js";
import { hadItsTime, isKnown } from "./call-context.js";
import { type Upstream, UpstreamError } from "./outcome.js";
import { forward, unaryTransport } from "./stage.js";
import type { UpstreamLimits } from "./upstream-limits.js";

export interface LessonOptions {
  upstream: Upstream;
  /** The upstream's timeout; a shorter try that times out says nothing about the upstream. */
  timeoutMs: number;
  clock: Clock;
}

/**
 * Teaches the upstream's limit how long it takes to answer or to refuse, and that it timed out. All other failures come quickly where a
 * connection is refused, and say nothing of how much is too much.
 */
export function withLessons(inner: Transport, limits: UpstreamLimits, options: LessonOptions): Transport {
  const { upstream, timeoutMs, clock } = options;
  const limit = limits.of(upstream);
  return unaryTransport(async (call) => {
    const began = clock.monotonic();
    const isQuiet = limits.isQuiet(upstream);
    const learn = (end: Lesson["end"], sort = call.method.name) => {
      const known = isKnown(call.context);
      limit.learn({ known, sort, end, ms: clock.monotonic() - began, isQuiet, isFull: limits.isFull(upstream, known) });
    };
    try {
      const response = await forward(inner, call);
      learn("answered");
      return response;
    } catch (error) {
      if (error instanceof UpstreamError && !call.signal?.aborted) {
        if (error.failure === "refused") learn("answered", `${call.method.name} refused`);
        else if (error.timedOut) learn(hadItsTime(call.timeoutMs, timeoutMs) ? "timed out" : "cut short");
      }
      throw error;
    }
  });
}
