import { expect, test } from "@jest/globals";
import { redisLog } from "../../src/cache/redis-log.js";
import { ManualClock, settle } from "../support/manual-clock.js";

/** A connection that is never made. */
const link = {
  connect: () => new Promise(() => undefined),
  send: () => new Promise(() => undefined),
  onError: () => undefined,
  guard: () => undefined,
  destroy: () => undefined,
};

test("What is closed while its connection is being made leaves no timer.", async () => {
  const clock = new ManualClock();
  const topology = { doubt: () => undefined, masterOf: async () => ({ id: "one" }) };
  const store = { store: {}, topology, masters: undefined, send: async () => "" };
  const log = redisLog("portero:1:log:shop", store as never, { clock, openLink: async () => link as never });
  const closing = new AbortController();
  const connecting = log.connect(closing.signal);
  await settle();
  expect(clock.pending).toBe(1);
  closing.abort();
  await expect(connecting).rejects.toThrow();
  expect(clock.pending).toBe(0);
});
