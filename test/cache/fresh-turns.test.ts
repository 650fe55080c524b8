import { describe, expect, test } from "@jest/globals";
import { FreshTurns } from "../../src/cache/fresh-turns.js";
import type { AskedQuestion } from "../../src/cache/question-watch.js";
import type { Standing } from "../../src/runtime/standing.js";
import { ManualClock, settle } from "../support/manual-clock.js";

describe("The usual answer time", () => {
  /** How long the second turn waits for the first, which never ends. */
  async function patienceAfter(answersMs: readonly number[]): Promise<number> {
    const clock = new ManualClock();
    const turns = new FreshTurns<void>(clock);
    for (const ms of answersMs) turns.answeredAfter(ms);
    const never = new Promise<void>(() => undefined);
    void turns.take("id", () => never);
    const begun: number[] = [];
    const start = clock.monotonic();
    void turns.take("id", (since) => {
      begun.push(clock.monotonic() - since);
      return never;
    });
    while (begun.length === 0 && clock.monotonic() - start < 10_000) await clock.advance(1);
    return begun[0] as number;
  }

  test("is 100 ms until there was an answer, then follows the answers slowly", async () => {
    expect(await patienceAfter([])).toBe(200);
    expect(await patienceAfter([10])).toBe(20);
    expect(await patienceAfter([10, 90])).toBe(40);
  });

  test("is forgotten with nothing of an id that is asked no more", async () => {
    const clock = new ManualClock();
    const turns = new FreshTurns<string>(clock);
    expect(await turns.take("id", async () => "first")).toBe("first");
    expect(await turns.take("id", async () => "second")).toBe("second");
    const failing = turns.take("id", () => Promise.reject(new Error("down")));
    const next = turns.take("id", async () => "third");
    await expect(failing).rejects.toThrow("down");
    await settle();
    expect(clock.pending).toBe(0);
    expect(await next).toBe("third");
  });
});

describe("A turn", () => {
  /** Loads that end when they are told to, and in whose order they began. */
  function start() {
    const clock = new ManualClock();
    const turns = new FreshTurns<string>(clock);
    const begun: { readonly since: number; readonly standing: Standing; end(): void }[] = [];
    const takeOf = (id: string, user?: string, asked?: AskedQuestion) =>
      void turns.take(
        id,
        (since, standing) => new Promise((resolve) => begun.push({ since, standing, end: () => resolve("") })),
        user,
        asked,
      );
    const take = (user?: string, asked?: AskedQuestion) => takeOf("id", user, asked);
    return { clock, begun, take, takeOf };
  }

  const question = (): AskedQuestion => ({ joined: undefined, queuedMs: undefined });

  test("begins at once when none is under way, also after others, and after those that hung", async () => {
    const { clock, begun, take } = start();
    for (const expected of [1, 3]) {
      take();
      expect(begun).toHaveLength(expected);
      take();
      await clock.advance(200);
      expect(begun).toHaveLength(expected + 1);
      for (const { end } of begun) end();
      await settle();
    }
  });

  test("waits as long as those that are still under way make it", async () => {
    const { clock, begun, take } = start();
    take();
    take();
    await clock.advance(200); // the first hangs, the second begins
    begun[0]?.end();
    await settle();
    take();
    await clock.advance(199);
    expect(begun).toHaveLength(2);
    await clock.advance(1);
    expect(begun).toHaveLength(3);
    take();
    await clock.advance(399);
    expect(begun).toHaveLength(3);
    await clock.advance(1);
    expect(begun).toHaveLength(4);
  });

  test("that waits is taken by all that come meanwhile, also when the one before has just ended", async () => {
    const { begun, take } = start();
    take();
    take();
    begun[0]?.end();
    await Promise.resolve();
    take();
    await settle();
    expect(begun).toHaveLength(2);
  });

  test("is a known user's as soon as one takes it, and stays so", async () => {
    const { begun, take } = start();
    take("ana");
    take();
    take("ben");
    take();
    begun[0]?.end();
    await settle();
    expect(begun.map(({ standing }) => standing.user)).toEqual(["ana", "ben"]);
  });

  test("is a stranger's when no known user takes it", async () => {
    const { begun, take } = start();
    take();
    take();
    begun[0]?.end();
    await settle();
    expect(begun.map(({ standing }) => standing.known)).toEqual([false, false]);
  });

  test("is told when the first of its callers came", async () => {
    const { clock, begun, take } = start();
    const startedAt = clock.monotonic();
    for (const ms of [0, 30, 40]) {
      await clock.advance(ms);
      take();
    }
    await clock.advance(50);
    begun[0]?.end();
    await settle();
    expect(begun.map(({ since }) => since - startedAt)).toEqual([0, 30]);
  });

  test("of one id waits for none of another", async () => {
    const { begun, takeOf } = start();
    takeOf("ana");
    takeOf("ben");
    expect(begun).toHaveLength(2);
    takeOf("ana");
    takeOf("ben");
    begun[0]?.end();
    await settle();
    expect(begun).toHaveLength(3);
  });

  test("does not wait for one that has taken too long already", async () => {
    const { clock, begun, take } = start();
    take();
    await clock.advance(10_000);
    take();
    await clock.advance(0);
    expect(begun).toHaveLength(2);
  });

  test("is joined by all questions but the first that takes it", () => {
    const { take } = start();
    const [atOnce, first, second, third] = [question(), question(), question(), question()];
    for (const asked of [atOnce, first, second, third]) take(undefined, asked);
    expect(atOnce.joined).toBeUndefined();
    expect(first.joined).toBeUndefined();
    expect(second.joined).toBe(first);
    expect(third.joined).toBe(first);
  });

  test("has no question to join where nothing watches the first that takes it", () => {
    const { take } = start();
    take();
    take();
    const later = question();
    take(undefined, later);
    take();
    expect(later).toEqual(question());
  });
});
