import { expect, test } from "@jest/globals";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { textSpec } from "../support/text-spec.js";
import { openCache, startPatientService, unavailable } from "../support/tiered-cache.js";

const TTL_MS = 300_000;
const STALE_MS = 600_000;

/** A process on a store, whose questions to the service wait until they are answered one by one. */
function start() {
  const clock = new ManualClock();
  const memory = new MemoryStore(clock);
  const open = () => {
    const { ask, asked } = startPatientService();
    const spec = textSpec(ask, { name: "locals", ttlMs: TTL_MS });
    return { ...openCache({ clock, spec, memory, staleIfErrorMs: STALE_MS }), asked };
  };
  return { clock, memory, open };
}

test("An answer that was asked for before the log may have lost something is given to its callers, and neither kept nor shared.", async () => {
  const { memory, open } = start();
  const { cache, subjects, asked } = open();
  const early = cache.get("ana");
  await settle();
  subjects.doubt();
  asked[0]?.answer("before");
  expect(await early).toMatchObject({ answer: "before" });
  await settle();
  expect([cache.peek("ana"), memory.keys("locals")]).toStrictEqual([undefined, []]);
  const late = cache.get("ana");
  await settle();
  asked[1]?.answer("after");
  expect(await late).toMatchObject({ answer: "after" });
  await settle();
  expect([cache.peek("ana"), memory.keys("locals").length]).toEqual(["after", 1]);
});

test("A question that was asked before the log may have lost something is not joined.", async () => {
  const { open } = start();
  const { cache, subjects, asked } = open();
  const early = cache.get("ana");
  await settle();
  subjects.doubt();
  const late = [cache.get("ana"), cache.get("ana")];
  await settle();
  expect(asked).toHaveLength(2);
  asked[1]?.answer("after");
  asked[0]?.answer("before");
  expect(await Promise.all([early, ...late])).toMatchObject(["before", "after", "after"].map((answer) => ({ answer })));
  expect(cache.peek("ana")).toBe("after");
});

test("What was read in the store before the log may have lost something is not served stale.", async () => {
  const { clock, open } = start();
  const [other, { cache, subjects, asked }] = [open(), open()];
  const first = other.cache.get("ana");
  await settle();
  other.asked[0]?.answer("old");
  await first;
  await clock.advance(TTL_MS);
  const stale = cache.get("ana");
  await settle();
  asked[0]?.fail();
  expect(await stale).toMatchObject({ answer: "old" });
  const doubtful = cache.get("ana");
  await settle();
  subjects.doubt();
  asked[1]?.fail();
  await expect(doubtful).rejects.toBe(unavailable);
});

test("A look into the store during which the log may have lost something twice brings nothing.", async () => {
  const { memory, open } = start();
  const [other, { cache, subjects, asked }] = [open(), open()];
  const first = other.cache.get("ana");
  await settle();
  other.asked[0]?.answer("old");
  await first;
  let doubts = 4; // each looks for two entries
  memory.before = (operation) => {
    if (operation === "get" && doubts-- > 0) subjects.doubt();
  };
  const answered = cache.get("ana");
  await settle();
  asked[0]?.answer("new");
  expect(await answered).toMatchObject({ answer: "new" });
});
