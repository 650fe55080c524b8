import { expect, test } from "@jest/globals";
import { GuardedStore } from "../../src/cache/guarded-store.js";
import { createKeyring } from "../../src/cache/keyring.js";
import { ProcessCache } from "../../src/cache/process-cache.js";
import type { Verdict } from "../../src/cache/spec.js";
import { SubjectInvalidations } from "../../src/cache/subject-invalidations.js";
import { TieredCache } from "../../src/cache/tiered-cache.js";
import { Timeline } from "../../src/cache/timeline.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { textSpec } from "../support/text-spec.js";

const TTL_MS = 300_000;
const STALE_MS = 600_000;
const unavailable = new Error("the service is unavailable");

/** A process on a store, whose questions to the service wait until they are answered one by one. */
function start() {
  const clock = new ManualClock();
  const memory = new MemoryStore(clock);
  const store = new GuardedStore({ store: memory, clock, keyring: createKeyring({ identity: "shop", secrets: [] }) });
  const open = () => {
    const timeline = new Timeline(clock);
    const subjects = new SubjectInvalidations({ store, timeline });
    const asked: { answer: (value: string) => void; fail: () => void }[] = [];
    const ask = () =>
      new Promise<Verdict<string, string>>((resolve, reject) => {
        const answer = (value: string) => resolve({ kind: "answer", value, source: "grpc" });
        asked.push({ answer, fail: () => reject(unavailable) });
      });
    const spec = textSpec(ask, { name: "locals", ttlMs: TTL_MS });
    const options = { clock, random: () => 0, staleIfErrorMs: STALE_MS };
    const process = new ProcessCache({ ...options, maxEntries: 10, maxBytes: 100_000, maxPerSubject: 10 });
    const cache = new TieredCache(
      spec,
      { process, store, subjects, timeline, log: undefined },
      {
        ...options,
        processTtlMs: 60_000,
        couldNotAsk: (error) => error === unavailable,
        refusals: { answered: () => undefined, refused: () => undefined, isRefusing: () => false },
        watch: { asks: (_traits, ask) => ask(undefined) },
      },
    );
    return { cache, subjects, asked };
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
