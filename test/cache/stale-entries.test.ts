import { describe, expect, test } from "@jest/globals";
import { type History, Invalidation } from "../../src/cache/invalidation.js";
import { ProcessCache } from "../../src/cache/process-cache.js";
import type { Entry } from "../../src/cache/spec.js";
import { StaleIfError } from "../../src/cache/stale-if-error.js";
import { SubjectInvalidations } from "../../src/cache/subject-invalidations.js";
import { Timeline } from "../../src/cache/timeline.js";
import { ManualClock } from "../support/manual-clock.js";
import { textSpec } from "../support/text-spec.js";

const START = 1_000_000;
const TTL_MS = 1000;
const STALE_MS = 500;
const NEVER = Number.POSITIVE_INFINITY;

/** The process holds "held", which is older than what the store brings: "stored". Both have ended. */
async function start() {
  const clock = new ManualClock(START);
  const timeline = new Timeline(clock);
  const subjects = new SubjectInvalidations({ store: undefined, timeline });
  const invalidation = new Invalidation(subjects, false);
  const spec = textSpec(async () => ({ kind: "answer", value: "", source: "grpc" }), {
    name: "locals",
    ttlMs: TTL_MS,
    present: (value) => `hit: ${value}`,
  });
  const options = { clock, staleIfErrorMs: STALE_MS };
  const process = new ProcessCache({
    ...{ maxEntries: 100, maxBytes: 1_000_000, maxPerSubject: 100, random: () => 0 },
    ...options,
  }).view(spec, invalidation);
  const stale = new StaleIfError(process, invalidation, options);
  const entry = (value: string, more: Partial<Entry<string>> = {}): Entry<string> => ({
    value,
    order: timeline.next(),
    askedAt: START,
    isShared: false,
    expiresAt: START + TTL_MS,
    endsAt: START + TTL_MS,
    subject: "ana",
    meaning: undefined,
    ...more,
  });
  const keep = (value: string, more?: Partial<Entry<string>>) =>
    process.keep("ana", entry(value, more), { tierEnd: NEVER, hardExpiry: NEVER });
  keep("held");
  const stored = entry("stored", { isShared: true, askedAt: START + 1 });
  await clock.advance(TTL_MS);
  const history: History = { invalidatedAs: 0, newestAnswered: 0 };
  const order = timeline.next();
  const asking = { id: "ana", order, triedAs: order, history, meaning: undefined };
  /** What is served where the store brought that, if it could be read. */
  const find = (brought: Entry<string> | undefined, wasRead = true) =>
    stale.find(asking, { lookup: { wasRead, mayBeThere: undefined, entry: brought }, entry: brought });
  return { clock, timeline, subjects, invalidation, process, stale, entry, keep, stored, history, order, asking, find };
}

describe("Where the store could not be read,", () => {
  test("what the process holds is served", async () => {
    const { stale, asking, find } = await start();
    expect(stale.find(asking, { lookup: undefined, entry: undefined })).toBe("hit: held");
    expect(find(undefined, false)).toBe("hit: held");
  });

  test("nothing is where the process holds nothing, or nothing that may be served", async () => {
    const { clock, asking, find, stale } = await start();
    const other = { ...asking, id: "ben" };
    expect(stale.find(other, { lookup: undefined, entry: undefined })).toBeUndefined();
    await clock.advance(STALE_MS);
    expect(find(undefined, false)).toBeUndefined();
  });
});

describe("Where the store could be read,", () => {
  test("what it brings is served, and nothing of the process where it brings nothing", async () => {
    const { find, stored } = await start();
    expect(find(stored)).toBe("stored");
    expect(find(undefined)).toBeUndefined();
  });

  test("it is served, too, where the process holds nothing", async () => {
    const { find, stored, process } = await start();
    process.forget("ana");
    expect(find(stored)).toBe("stored");
  });

  test.each([
    ["older", 0, "stored"],
    ["as old", 1, "stored"],
    ["newer", 2, "hit: brought since"],
  ])("it is served unless what another load brought since is newer: that is %s", async (_how, ms, served) => {
    const { find, stored, keep } = await start();
    keep("brought since", { askedAt: START + ms, expiresAt: START + 2 * TTL_MS, endsAt: START + 2 * TTL_MS });
    expect(find(stored)).toBe(served);
  });

  test("nothing is where the process holds a newer one that may not be served any more", async () => {
    const { find, keep, entry, clock } = await start();
    const later = START + TTL_MS + 1;
    keep("brought since", { askedAt: START + 2, expiresAt: later, endsAt: later });
    await clock.advance(1 + STALE_MS);
    expect(find(entry("stored", { isShared: true, askedAt: START + 1, expiresAt: NEVER, endsAt: NEVER }))).toBe(
      undefined,
    );
  });

  test.each([
    ["by the monotonic clock", { expiresAt: NEVER }],
    ["by the wall clock", { endsAt: NEVER }],
  ])("it is served for so long after its end, %s", async (_how, ends) => {
    const { clock, find, stored } = await start();
    const brought = { ...stored, ...ends };
    await clock.advance(STALE_MS - 1);
    expect(find(brought)).toBe("stored");
    await clock.advance(1);
    expect(find(brought)).toBeUndefined();
  });

  test.each<[string, (started: Awaited<ReturnType<typeof start>>) => unknown]>([
    ["was invalidated", ({ invalidation, timeline }) => invalidation.invalidated("ana", timeline.stamp(), "7", true)],
    ["was refused", ({ invalidation, timeline }) => invalidation.refused("ana", timeline.stamp(), true)],
    [
      "was refused while all were",
      ({ invalidation, timeline }) => invalidation.refusedWithAll("ana", timeline.stamp()),
    ],
    ["may have been contradicted unheard", ({ subjects }) => subjects.doubt()],
  ])("nothing is where the id %s meanwhile", async (_what, happens) => {
    const started = await start();
    const { find, stored } = started;
    happens(started);
    expect(find(stored)).toBeUndefined();
  });

  test.each<[string, keyof History]>([
    ["was invalidated", "invalidatedAs"],
    ["was answered", "newestAnswered"],
  ])(
    "nothing is where the id %s after the entry had been accepted, though before the service was asked",
    async (_what, happened) => {
      const { find, stored, history, order } = await start();
      history[happened] = order;
      expect(stored.order).toBeLessThan(order);
      expect(find(stored)).toBeUndefined();
      history[happened] = stored.order;
      expect(find(stored)).toBe("stored");
    },
  );
});
