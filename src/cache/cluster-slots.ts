import { type AskingOptions, askOnce } from "./redis-ask.js";
import type { RedisHost } from "./redis-target.js";
import type { RedisEndpoint } from "./redis-topology.js";

/** In a cluster each key lies in one of so many slots. */
export const SLOTS = 16_384;

/** Slots that one master holds, the last one included. */
export interface SlotRange {
  readonly first: number;
  readonly last: number;
  readonly master: RedisHost;
}

/** More masters than a cluster can well have; each costs a connection. */
const MAX_MASTERS = 1000;

/** CRC16 of the polynomial x¹⁶ + x¹² + x⁵ + 1 (XMODEM), for each byte. */
const CRC16 = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

/** The slot of a key: by what stands between its first `{` and the next `}`, where that is not empty, else by the whole. */
export function slotOf(key: string): number {
  const open = key.indexOf("{");
  const close = open < 0 ? -1 : key.indexOf("}", open + 1);
  const bytes = Buffer.from(close > open + 1 ? key.slice(open + 1, close) : key);
  let crc = 0;
  for (const byte of bytes) crc = ((crc << 8) & 0xffff) ^ (CRC16[(crc >> 8) ^ byte] as number);
  return crc % SLOTS;
}

/** In all but one of ten million cases enough tags to find a key for any slot. */
const MAX_TAGS = 2 ** 18;

/** A key that begins so, in the first slot that can be used; in any slot where none can. */
export function keyInSlot(beginning: string, isUsable: (slot: number) => boolean): string {
  for (let tag = 0; tag < MAX_TAGS; tag++) {
    const key = `${beginning}{${tag}}`;
    if (isUsable(slotOf(key))) return key;
  }
  return beginning;
}

/** Of an answer: ranges, their nodes, and what is said of a node. Slots that were moved about can make thousands of ranges. */
const BOUNDS = { maxItems: 2 ** 19, maxDepth: 5 };

/** What a node says of all slots. Rejects with CLUSTERDOWN where it knows of none. */
export async function askForSlots(node: RedisEndpoint, asking: AskingOptions): Promise<readonly SlotRange[]> {
  const ranges = slotRangesIn(await askOnce(node, ["CLUSTER", "SLOTS"], { ...asking, bounds: BOUNDS }), node);
  if (!ranges) throw new Error("CLUSTERDOWN the node knows of no slots"); // as Redis puts it: it was an answer
  return ranges;
}

/**
 * What `CLUSTER SLOTS` answered: of each range, the master. `undefined` for what can be no such answer, and for that of a node which
 * knows of no slots.
 *
 * @param asked stands for a node that does not know its own name
 */
export function slotRangesIn(reply: unknown, asked: RedisHost): readonly SlotRange[] | undefined {
  const masters = new Set<string>();
  const ranges: SlotRange[] = [];
  for (const entry of listIn(reply)) {
    const [first, last, node] = listIn(entry);
    const [name, port] = listIn(node);
    const host = name === null || name === "" ? asked.host : name;
    if (!isBetween(last, 0, SLOTS - 1) || !isBetween(first, 0, last) || !isBetween(port, 1, 65_535)) return undefined;
    if (typeof host !== "string" || !/^[\w.:-]{1,255}$/.test(host)) return undefined; // "?" is a name that was not configured
    ranges.push({ first, last, master: { host, port } });
    masters.add(`${host} ${port}`);
  }
  return isBetween(masters.size, 1, MAX_MASTERS) ? ranges : undefined;
}

function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isBetween(value: unknown, min: number, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}
