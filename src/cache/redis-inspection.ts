import { randomBytes } from "node:crypto";
import { askForSlots, keyInSlot, type SlotRange } from "./cluster-slots.js";
import { type AskingOptions, converse, type Send } from "./redis-ask.js";
import type { RedisEndpoint } from "./redis-topology.js";
import { isReply } from "./store-error.js";

/** Lists within lists, as XREAD has them. */
const BOUNDS = { maxDepth: 5 };
/** What an inspection leaves behind, where it may not delete it, ends after so long, in milliseconds. */
const KEPT_MS = 10_000;
/** The quickest of so many answers is taken: one alone may have met a busy process. */
const TIMED = 5;
/** Where the keys of an inspection begin: with those of the cache, so that the same rights cover them. */
const PREFIX = "portero:1:inspection:";

/** What a master says to all that is done with it. */
export interface MasterInspection {
  /** Why a command was refused, by its name in lower case. One that is absent went well, or could not be tried. */
  readonly refusals: ReadonlyMap<string, unknown>;
  /** What was written came back. `undefined`: it could not be written or read. */
  readonly keeps: boolean | undefined;
  /** From a question to its answer, in milliseconds. */
  readonly answersInMs: number;
  /** What INFO says, by name; `undefined` where it may not be asked. */
  readonly info: ReadonlyMap<string, string> | undefined;
  /** By how much its clock is ahead of this machine's, in milliseconds; `undefined` where it may not be asked. */
  readonly clockAheadMs: number | undefined;
}

export interface InspectionOptions extends AskingOptions {
  /** Whether a key may lie there, by its slot. Default: any may. */
  readonly holds?: (slot: number) => boolean;
}

/**
 * Does with a master what the cache and its log do, with keys that are gone afterwards. Rejects where it cannot be connected to, takes no
 * password, or is silent.
 */
export function inspectMaster(endpoint: RedisEndpoint, options: InspectionOptions): Promise<MasterInspection> {
  const { clock, holds } = options;
  return converse(endpoint, { bounds: BOUNDS, ...options }, async (send) => {
    const refusals = new Map<string, unknown>();
    const attempt = attempting(send, refusals);
    const [key, log, other] = keysFor(holds);
    let answersInMs = Number.POSITIVE_INFINITY;
    for (let time = 0; time < TIMED; time++) {
      const askedAt = clock.monotonic();
      await attempt(["MGET", key, ...(other === undefined ? [] : [other])]); // of two slots: a cluster would refuse
      answersInMs = Math.min(answersInMs, clock.monotonic() - askedAt);
    }
    const clockAheadMs = await clockAhead(attempt, () => clock.now());
    const text = randomBytes(12).toString("base64url");
    const [info, , found] = await Promise.all([
      attempt(["INFO"]),
      attempt(["SET", key, text, "PX", `${KEPT_MS}`]),
      attempt(["MGET", key]),
      attempt(["UNLINK", key]),
      attempt(["PEXPIRE", log, `${KEPT_MS}`]),
      holds && attempt(["ASKING"]),
    ]);
    // Where neither may be done, an entry of the log would stay for ever.
    if (!(refusals.has("unlink") && refusals.has("pexpire"))) await attemptLog(attempt, log);
    return {
      refusals,
      keeps: refusals.has("set") || refusals.has("mget") ? undefined : Array.isArray(found) && found[0] === text,
      answersInMs,
      info: refusals.has("info") ? undefined : infoIn(info),
      clockAheadMs,
    };
  });
}

/** Which master has which slots, by the first of these hosts that says so. Rejects with the refusal of one that answered, else with a failure. */
export async function inspectSlots(
  endpoints: readonly RedisEndpoint[],
  options: AskingOptions,
): Promise<{ readonly ranges: readonly SlotRange[]; readonly held: number }> {
  const asked = endpoints.map((endpoint) => askForSlots(endpoint, options));
  const ranges = await Promise.any(asked).catch(({ errors }: AggregateError) => {
    throw errors.find(isReply) ?? errors[0];
  });
  const held = new Set<number>();
  for (const { first, last } of ranges) for (let slot = first; slot <= last; slot++) held.add(slot);
  return { ranges, held: held.size };
}

type Attempt = (words: readonly [command: string, ...rest: string[]]) => Promise<unknown>;

/** Sends a command; `undefined` where it was refused, which is noted. What the network does to it rejects. */
function attempting(send: Send, refusals: Map<string, unknown>): Attempt {
  return async ([command, ...rest]) => {
    try {
      return await send([command, ...rest]);
    } catch (error) {
      if (!isReply(error)) throw error;
      const name = command.toLowerCase();
      if (!refusals.has(name)) refusals.set(name, error);
      return undefined;
    }
  };
}

async function attemptLog(attempt: Attempt, log: string): Promise<void> {
  await Promise.all([
    attempt(["XADD", log, "MAXLEN", "~", "10", "*", "e", "-"]),
    attempt(["PEXPIRE", log, `${KEPT_MS}`]),
    attempt(["XREAD", "COUNT", "1", "STREAMS", log, "0-0"]),
    attempt(["XRANGE", log, "-", "+", "COUNT", "1"]),
    attempt(["XREVRANGE", log, "+", "-", "COUNT", "1"]),
    attempt(["UNLINK", log]),
  ]);
}

async function clockAhead(attempt: Attempt, now: () => number): Promise<number | undefined> {
  const before = now();
  const reply = await attempt(["TIME"]);
  const [seconds, micros] = [reply].flat();
  const at = Number(seconds) * 1000 + Number(micros) / 1000;
  return Number.isFinite(at) ? at - (before + now()) / 2 : undefined;
}

/** Two keys, and a third in another slot where any slot will do. */
function keysFor(holds: ((slot: number) => boolean) | undefined): readonly [string, string, string?] {
  const name = PREFIX + randomBytes(9).toString("base64url");
  if (holds) return [keyInSlot(`${name}:entry`, holds), keyInSlot(`${name}:log`, holds)];
  return [`${name}:{entry}`, `${name}:log`, `${name}:{other}`];
}

function infoIn(reply: unknown): ReadonlyMap<string, string> {
  const lines = String(reply).matchAll(/^([a-z_]\w*):([^\r\n]*)/gm);
  return new Map([...lines].map(([, name, value]) => [name as string, value as string]));
}
