import * as crypto from "node:crypto";
import { expect, jest, test } from "@jest/globals";
import { ManualClock } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { workOf } from "./work-of.js";

/** What was hashed, in characters. */
const hashed: number[] = [];
const hash = (algorithm: string, text: string, encoding: "base64url") => {
  hashed.push(text.length);
  return crypto.hash(algorithm, text, encoding);
};
jest.unstable_mockModule("node:crypto", () => ({ ...crypto, hash }));
const { openClient, startService } = await import("../support/open-client.js");

const GOOD = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOpQrStUvWxYz01";
const half = GOOD.length / 2;
/** As long, and nothing like it. */
const STRANGE = "~".repeat(GOOD.length);

/** A client that knows the good token; and what it does, step by step, about another one. */
async function openWorld() {
  const service = await startService({ users: { [GOOD]: { id: "ana" } } });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const client = openClient(service, { clock, cache: { store } });
  await client.verifyToken(GOOD);
  const workFor = async (token: string) => {
    const [asked, looked] = [service.calls.VerifyToken, store.log.length];
    hashed.length = 0;
    let refused: Promise<unknown> = Promise.resolve();
    const { steps } = workOf(() => {
      refused = client.verifyToken(token);
    });
    await expect(refused).rejects.toMatchObject({ code: "invalid_token" });
    return {
      charactersLookedAt: steps,
      hashed: [...hashed],
      looksIntoTheStore: store.log.slice(looked).map((line) => line.split(":")[2]),
      questions: service.calls.VerifyToken - asked,
    };
  };
  return { workFor };
}

test.each([
  ["all but its last character", `${GOOD.slice(0, -1)}~`],
  ["all but its first character", `~${GOOD.slice(1)}`],
  ["its first half", GOOD.slice(0, half) + STRANGE.slice(half)],
  ["its second half", STRANGE.slice(half) + GOOD.slice(half)],
])(
  "As much is done for a refused token that shares %s with a good one as for one that shares nothing, new or remembered",
  async (_what, like) => {
    const { workFor } = await openWorld();

    const [newOne, remembered] = [await workFor(like), await workFor(like)];

    expect(newOne).toEqual(await workFor(STRANGE));
    expect(remembered).toEqual(await workFor(STRANGE));
  },
);

test("What is remembered is found by the digest of the whole token; a new one is looked for elsewhere: that difference remains", async () => {
  const { workFor } = await openWorld();
  const hashed = [STRANGE.length]; // once
  const looksIntoTheStore = ["token", "any-user-invalidated"];

  const [newOne, remembered] = [await workFor(STRANGE), await workFor(STRANGE)];

  expect(newOne).toMatchObject({ hashed, looksIntoTheStore, questions: 1 });
  expect(remembered).toMatchObject({ hashed, looksIntoTheStore: [], questions: 0 });
});
