import type { Transport } from "@connectrpc/connect";
import type { Clock } from "../runtime/clock.js";
import type { Places } from "../runtime/places.js";
import type { Place } from "../runtime/waiting-question.js";
import { MIN_TRY_MS, standingOf, tellQueued, timeLeftMs } from "./call-context.js";
import { forward, unaryTransport } from "./stage.js";

/** Lets through calls that have a place, and keeps the others waiting for one: known users' go first. */
export function withLimit(inner: Transport, places: Places, clock: Clock): Transport {
  return unaryTransport(async (call) => {
    const standing = standingOf(call.context);
    // A place that leaves no time for a try is of no use.
    const leftMs = () => timeLeftMs(call.context, clock) - MIN_TRY_MS;
    const place = places.take(standing) ?? (await queued());
    try {
      return await forward(inner, call);
    } finally {
      places.free(place);
    }

    /** What is turned away at once has not waited. */
    async function queued(): Promise<Place> {
      let began: number | undefined;
      const onWait = () => {
        began = clock.monotonic();
      };
      try {
        return await places.wait(standing, leftMs(), call.signal, onWait);
      } finally {
        if (began !== undefined) tellQueued(call.context, clock.monotonic() - began);
      }
    }
  });
}
