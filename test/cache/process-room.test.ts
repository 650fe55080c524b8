import { describe, expect, test } from "@jest/globals";
import { Invalidation } from "../../src/cache/invalidation.js";
import { ProcessCache, SHARE_OF_SUBJECT } from "../../src/cache/process-cache.js";
import type { CacheSpec } from "../../src/cache/spec.js";
import { SubjectInvalidations } from "../../src/cache/subject-invalidations.js";
import { Timeline } from "../../src/cache/timeline.js";
import { ManualClock } from "../support/manual-clock.js";

const START = 1_000_000;
const TTL_MS = 1000;

/** A view of a process cache in which an entry takes as many bytes as its value says, and some of its own. */
function start({ maxBytes = 1_000_000, maxPerSubject = 100, staleIfErrorMs = 0 } = {}) {
  const clock = new ManualClock(START);
  const timeline = new Timeline(clock);
  const subjects = new SubjectInvalidations({ store: undefined, timeline });
  const invalidation = new Invalidation(subjects, true);
  const random = () => 0;
  const process = new ProcessCache({ maxEntries: 100, maxBytes, maxPerSubject, clock, random, staleIfErrorMs });
  const spec = {
    name: "token",
    hasDigestIds: true,
    hasManyPerSubject: true,
    present: (value: number) => value,
    bytesOf: (value: number) => value,
  } as unknown as CacheSpec<string, number, number, never>;
  const view = process.view(spec, invalidation);
  const keep = (id: string, { bytes = 1, subject = "ana", meaning = undefined as number | undefined } = {}) =>
    view.keep(
      id,
      {
        value: bytes,
        order: timeline.next(),
        askedAt: START,
        expiresAt: START + TTL_MS,
        endsAt: START + TTL_MS,
        subject,
        meaning,
      },
      { tierEnd: Number.POSITIVE_INFINITY, hardExpiry: Number.POSITIVE_INFINITY },
    );
  const held = (ids: string) => [...ids].filter((id) => view.peek(id)).join("");
  return { clock, timeline, invalidation, process, view, keep, held };
}

describe("The entries of one subject", () => {
  test("take no more than an eighth of the bytes together, and those of others stay", () => {
    const { keep, held, process } = start({ maxBytes: SHARE_OF_SUBJECT * 10_000 });
    keep("x", { bytes: 4000, subject: "ben" });
    for (const id of "abc") keep(id, { bytes: 4000 });
    expect(held("abcx")).toBe("bcx");
    expect(process.bytes).toBeLessThan(3 * 5000);
  });

  test("are no more than may be; those that are forgotten make room", () => {
    const { keep, held, view } = start({ maxPerSubject: 2 });
    for (const id of "abc") keep(id);
    expect(held("abc")).toBe("bc");
    view.forget("b");
    keep("d");
    expect(held("abcd")).toBe("cd");
  });
});

describe("A meaning is held", () => {
  test("as long as there is an entry that has it", () => {
    const { keep, view } = start();
    expect(view.holdsMeaning(7)).toBe(false);
    keep("a", { meaning: 7 });
    keep("b", { meaning: 7 });
    keep("b", { meaning: 7 }); // in the place of the one before
    keep("c");
    expect([view.holdsMeaning(7), view.holdsMeaning(8)]).toEqual([true, false]);
    view.forget("a");
    view.forget("c");
    expect(view.holdsMeaning(7)).toBe(true);
    view.forget("b");
    expect(view.holdsMeaning(7)).toBe(false);
  });

  test("not by an entry that made room, nor by one that is larger than all of it", () => {
    const { keep, view } = start({ maxPerSubject: 1, maxBytes: 100_000 });
    keep("a", { meaning: 7 });
    keep("b", { meaning: 8 });
    expect([view.holdsMeaning(7), view.holdsMeaning(8)]).toEqual([false, true]);
    keep("c", { meaning: 9, bytes: 200_000 });
    expect(view.holdsMeaning(9)).toBe(false);
  });
});

describe("An entry that has ended serves while the service is unavailable", () => {
  const stale = (options: Parameters<typeof start>[0]) => {
    const started = start(options);
    started.keep("a", { meaning: 7 });
    return { ...started, findStale: () => started.view.findStale("a")?.hit };
  };

  test("for as long as it may, and not at all where it may not", async () => {
    const [never, some] = [stale({ staleIfErrorMs: 0 }), stale({ staleIfErrorMs: 500 })];
    expect([never.findStale(), some.findStale()]).toEqual([undefined, 1]);
    await some.clock.advance(TTL_MS + 499);
    expect(some.findStale()).toBe(1);
    await some.clock.advance(1);
    expect(some.findStale()).toBeUndefined();
    expect(some.view.findStale("never held")).toBeUndefined();
  });

  test("by both clocks", () => {
    const { clock, findStale } = stale({ staleIfErrorMs: 500 });
    clock.setWall(TTL_MS + 499);
    expect(findStale()).toBe(1);
    clock.setWall(1);
    expect(findStale()).toBeUndefined();
  });

  test("unless it is void, or doubted", () => {
    const [voided, doubted] = [stale({ staleIfErrorMs: 500 }), stale({ staleIfErrorMs: 500 })];
    voided.invalidation.invalidated("other", voided.timeline.contradicts(), 7, true);
    doubted.invalidation.doubted("a", doubted.timeline.contradicts());
    expect([voided.findStale(), doubted.findStale()]).toEqual([undefined, undefined]);
    expect(doubted.view.findFresh("a")?.hit).toBe(1);
  });
});
