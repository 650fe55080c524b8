import { describe, expect, test } from "@jest/globals";
import { PendingWrites } from "../../src/cache/pending-writes.js";
import { LostError, NotConnectedError } from "../../src/cache/store-error.js";
import { ManualClock, settle } from "../support/manual-clock.js";

/** A write that ends when it is told to. */
function held() {
  let begun = 0;
  let end: (error?: Error) => void = () => undefined;
  const write = () => {
    begun++;
    return new Promise<string>((resolve, reject) => {
      end = (error) => (error ? reject(error) : resolve("stored"));
    });
  };
  return { write, begun: () => begun, end: (error?: Error) => end(error) };
}

/** Whether a promise has settled by now. */
async function hasEnded(promise: Promise<unknown> | undefined): Promise<boolean> {
  let ended = false;
  void promise?.then(() => {
    ended = true;
  });
  await settle();
  return ended;
}

describe("A write that is pending", () => {
  test.each([
    ["ends", undefined],
    ["fails", new Error("full")],
  ])("is known by its key until it %s", async (_how, error) => {
    const pending = new PendingWrites(new ManualClock());
    const one = held();
    const writing = pending.begin("key", one.write).catch((failure: unknown) => failure);
    const known = pending.of("key");
    expect([await hasEnded(known), pending.of("other"), [...pending.all()].length]).toStrictEqual([
      false,
      undefined,
      1,
    ]);
    one.end(error);
    expect(await writing).toBe(error ?? "stored");
    expect([await hasEnded(known), pending.of("key"), [...pending.all()]]).toStrictEqual([true, undefined, []]);
  });

  test("does not hold up another one: the key is free when all of them have ended", async () => {
    const pending = new PendingWrites(new ManualClock());
    const [first, second, other] = [held(), held(), held()];
    void pending.begin("key", first.write).catch(() => undefined);
    void pending.begin("key", second.write);
    void pending.begin("other", other.write);
    expect([first.begun(), second.begun(), other.begun()]).toEqual([1, 1, 1]);
    const known = pending.of("key");
    second.end();
    expect(await hasEnded(known)).toBe(false);
    first.end(new Error("full"));
    expect([await hasEnded(known), pending.of("key"), [...pending.all()].length]).toStrictEqual([true, undefined, 1]);
  });
});

test("Of writes that never end the latest 10,000 are known.", () => {
  const pending = new PendingWrites(new ManualClock());
  for (let n = 0; n < 10_000; n++) void pending.begin(`key-${n}`, held().write);
  void pending.begin("key-0", held().write); // takes no room, and is the latest now
  expect([pending.of("key-1") === undefined, [...pending.all()].length]).toEqual([false, 10_000]);
  void pending.begin("one more", held().write);
  expect(["key-0", "key-1", "key-2", "one more"].map((key) => pending.of(key) !== undefined)).toEqual([
    true,
    false,
    true,
    true,
  ]);
  expect([...pending.all()]).toHaveLength(10_000);
});

describe("A write that was lost with its connection", () => {
  const lose = async (pending: PendingWrites, key: string) => {
    const write = held();
    const writing = pending.begin(key, write.write).catch(() => undefined);
    write.end(new LostError());
    await writing;
    await settle();
  };

  test("may arrive for five seconds more", async () => {
    const clock = new ManualClock();
    const pending = new PendingWrites(clock);
    await lose(pending, "key");
    expect([pending.of("key"), pending.lostFor("key"), pending.lostFor("other")]).toStrictEqual([undefined, 5000, 0]);
    await clock.advance(4999);
    expect(pending.lostFor("key")).toBe(1);
    await lose(pending, "key");
    await clock.advance(1);
    expect(pending.lostFor("key")).toBe(4999);
    await clock.advance(5000);
    expect(pending.lostFor("key")).toBe(0);
  });

  test("is one of 10,000 at most that are known", async () => {
    const pending = new PendingWrites(new ManualClock());
    const lost = Array.from({ length: 10_001 }, (_, n) => pending.begin(`${n}`, () => Promise.reject(new LostError())));
    await Promise.allSettled(lost);
    await settle();
    expect([pending.lostFor("0"), pending.lostFor("1")]).toEqual([0, 5000]);
  });

  test("is no other failure", async () => {
    const pending = new PendingWrites(new ManualClock());
    await pending.begin("key", () => Promise.reject(new NotConnectedError())).catch(() => undefined);
    await settle();
    expect(pending.lostFor("key")).toBe(0);
  });
});
