import { randomBytes } from "node:crypto";
import type { SharedStore } from "../../cache/shared-store.js";
import { errorCode } from "../../cache/store-error.js";
import { raceAbort, raceTimeout } from "../../runtime/abort.js";
import type { Clock } from "../../runtime/clock.js";
import { Findings, type Waits } from "./diagnosis.js";

/** For all three operations, in milliseconds. */
const STORE_MS = 1000;
const KEPT_MS = 10_000;

export interface StoreCheckOptions {
  readonly store: SharedStore;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly waits: Waits;
}

/** Writes, reads and deletes in a shared store of the application's own. */
export async function checkStore({ store, clock, signal, waits }: StoreCheckOptions): Promise<Findings> {
  const findings = new Findings("store");
  const key = `portero:1:inspection:${randomBytes(9).toString("base64url")}`;
  const roundTrip = async () => {
    await store.set(key, key, KEPT_MS);
    const found = await store.get(key);
    await store.delete(key);
    return found === key;
  };
  try {
    const late = () => Object.assign(new Error("too late"), { code: "ETIMEDOUT" });
    const tried = raceAbort(raceTimeout(roundTrip(), clock, STORE_MS, late), signal);
    if (await waits.for("cache.store (1 s at most)", tried)) findings.ok("entries", "entries can be written and read");
    else
      findings.failed("entries", "what was written is not what is read", { fix: "look at get and set of cache.store" });
  } catch (error) {
    signal.throwIfAborted();
    const code = errorCode(error);
    const says = code === undefined ? "an operation failed" : `an operation failed (${code})`;
    findings.failed("entries", `cache.store: ${says}`, { code });
  }
  return findings;
}
