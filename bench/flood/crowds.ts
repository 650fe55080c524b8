import { setTimeout as sleep } from "node:timers/promises";
import { shuffle } from "../kit/shuffle.js";
import { distinctToken, garbageToken } from "../kit/tokens.js";
import type { Visit } from "./notes.js";

/** Requests that come at a pace, each at a random moment of its turn: in step with the service, all would find it free, or none. */
export interface Crowd {
  readonly perSecond: number;
  /** The next one who comes. */
  next(): Omit<Visit, "crowd">;
}

const EVERY_MS = 5;

/** Users in turn. */
export function usersInTurn(count: number, perSecond: number, { fresh = false, first = 0 } = {}): Crowd {
  const users = Array.from({ length: count }, (_, index) => visitOf(first + index, fresh));
  let next = 0;
  return { perSecond, next: () => users[next++ % count]! };
}

/** Users who come once. */
export function newcomers(perSecond: number, first = 1_000_000): Crowd {
  let next = first;
  return { perSecond, next: () => visitOf(next++) };
}

/** Tokens that are for nobody, each of them once. */
export function garbage(perSecond: number): Crowd {
  let next = 0;
  return { perSecond, next: () => ({ token: garbageToken(next++), user: undefined }) };
}

/** The user with that number. */
export function visitOf(user: number, fresh = false): Omit<Visit, "crowd"> {
  return { token: distinctToken(user), user: `user-${user}`, fresh };
}

/** How many have come when so many milliseconds are over. */
export function dueBy({ perSecond }: Crowd, ms: number): number {
  return Math.floor((perSecond * ms) / 1000);
}

/** Lets them come for so long. A late tick makes up for what was missed: the number of requests is the same on any machine. */
export async function letCome<S extends string>(
  crowds: Readonly<Record<S, Crowd>>,
  ms: number,
  send: (wave: readonly Visit[]) => unknown,
): Promise<void> {
  const names = Object.keys(crowds) as S[];
  const sent = Object.fromEntries(names.map((name) => [name, 0])) as Record<S, number>;
  const delay = Object.fromEntries(names.map((name) => [name, Math.random()])) as Record<S, number>;
  const began = performance.now();
  for (let elapsed = 0; elapsed < ms; ) {
    elapsed = Math.min(ms, performance.now() - began);
    const wave: Visit[] = [];
    for (const name of names) {
      const all = dueBy(crowds[name], ms);
      const turns = elapsed < ms ? (crowds[name].perSecond * elapsed) / 1000 : Number.POSITIVE_INFINITY;
      for (; sent[name] < all && sent[name] + delay[name] <= turns; sent[name]++) {
        wave.push({ ...crowds[name].next(), crowd: name });
        delay[name] = Math.random();
      }
    }
    shuffle(wave); // of strangers that wait the latest goes first
    await send(wave);
    await sleep(EVERY_MS);
  }
}
