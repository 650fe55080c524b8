import type { TestUser } from "../../src/testing.js";

/** More than any of these tests asks about: everybody is asked about once, so that no cache answers for a broken upstream. */
const COUNT = 5000;

export const BAD_TOKEN = "token-of-nobody";

export function tokenOf(person: number): string {
  return `token-of-user-${person}`;
}

export function idOf(person: number): string {
  return `user-${person}`;
}

/** The same for every server of these tests, in whatever process it runs. */
export function everybody(): Record<string, TestUser> {
  return Object.fromEntries(Array.from({ length: COUNT }, (_, person) => [tokenOf(person), { id: idOf(person) }]));
}
