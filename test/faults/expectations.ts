import { expect } from "@jest/globals";
import { type Answer, MARGIN_MS, RECOVERY_MS } from "./caller.js";
import type { Endured } from "./endure.js";

/** While it lasted, the other upstream told good tokens from bad ones, and nobody noticed but by the clock. */
export function expectServedBy(source: string, during: readonly Answer[]): void {
  expect(kindsOf(during)).toEqual(new Set([`new 200 ${source}`, "known 200 process", "bad 401 invalid_token"]));
}

/** While it lasted, nobody could tell who is whose: 503 for all but those whom the process remembers. */
export function expectOutage(during: readonly Answer[]): void {
  expect(kindsOf(during)).toEqual(
    new Set(["new 503 auth_unavailable", "known 200 process", "bad 503 auth_unavailable"]),
  );
}

/** The same of good tokens; bad ones may have been refused all the same. */
export function expectOutageForGoodTokens(during: readonly Answer[]): void {
  const good = during.filter(({ token }) => token !== "bad");
  expect(kindsOf(good)).toEqual(new Set(["new 503 auth_unavailable", "known 200 process"]));
}

/** "Within the recovery time" is counted, not timed: the first probe after the end of the fault found the upstream. */
export function expectBackWithFirstProbe(endured: Omit<Endured, "during">): void {
  expect(endured.probes).toBeLessThanOrEqual(1);
  expectBack(endured);
}

/** The same by the clock, with a margin: for many at once, whose probes a busy machine may let time out. */
export function expectBack({ backMs }: Omit<Endured, "during">): void {
  expect(backMs).toBeLessThan(RECOVERY_MS + MARGIN_MS);
}

function kindsOf(answers: readonly Answer[]): Set<string> {
  return new Set(answers.map(({ token, status, source, code }) => `${token} ${status} ${source ?? code}`));
}
