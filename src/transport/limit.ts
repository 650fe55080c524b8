import type { Transport } from "@connectrpc/connect";
import type { Clock } from "../runtime/clock.js";
import type { Places } from "../runtime/places.js";
import { MIN_TRY_MS, standingOf, tellQueued, timeLeftMs } from "./call-context.js";
import { forward, type UnaryCall, unaryTransport } from "./stage.js";

/** Lets through calls that have a place, and keeps the others waiting for one: known users' go first. */
export function withLimit(inner: Transport, places: Places, clock: Clock): Transport {
  return unaryTransport(async (call) => {
    const standing = standingOf(call.context);
    // A place that leaves no time for a try is of no use.
    const leftMs = () => timeLeftMs(call.context, clock) - MIN_TRY_MS;
    const place = places.take(standing) ?? (await queued(call, () => places.wait(standing, leftMs(), call.signal)));
    try {
      return await forward(inner, call);
    } finally {
      places.free(place);
    }
  });

  async function queued<T>({ context }: UnaryCall, wait: () => Promise<T>): Promise<T> {
    const began = clock.monotonic();
    try {
      return await wait();
    } finally {
      tellQueued(context, clock.monotonic() - began);
    }
  }
}
