import { createHash } from "node:crypto";
import type { Address } from "./addresses.js";

/** How many connections are made, whatever the number of addresses. */
export interface ConnectionBounds {
  readonly min: number;
  readonly max: number;
}

/** A connection that should stand: the same key is the same one. */
export interface Seat {
  readonly key: string;
  readonly address: Address;
}

/**
 * One connection for each address. With fewer addresses than `min` some have several, as behind one there may be many servers; with more than
 * `max` so many are chosen by rendezvous: each process its own, and few change when an address comes or leaves.
 *
 * @param seed another in each process
 */
export function chooseSeats(addresses: readonly Address[], { min, max }: ConnectionBounds, seed: string): Seat[] {
  if (addresses.length === 0) return [];
  const chosen = addresses.length > max ? rendezvous(addresses, max, seed) : addresses;
  const count = Math.max(chosen.length, Math.min(min, max));
  return Array.from({ length: count }, (_, at) => {
    const address = chosen[at % chosen.length] as Address;
    return { address, key: `${Math.floor(at / chosen.length)} ${keyOf(address)}` };
  });
}

function rendezvous(addresses: readonly Address[], count: number, seed: string): Address[] {
  const weights = new Map(addresses.map((address) => [address, weightOf(seed + keyOf(address))]));
  const weightiest = (one: Address, other: Address) => ((weights.get(one) ?? "") < (weights.get(other) ?? "") ? 1 : -1);
  const chosen = new Set([...addresses].sort(weightiest).slice(0, count));
  return addresses.filter((address) => chosen.has(address));
}

function weightOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function keyOf({ url, host }: Address): string {
  return `${host} ${url.href}`;
}
