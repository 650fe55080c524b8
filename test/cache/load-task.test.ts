import { createHook } from "node:async_hooks";
import { describe, expect, test } from "@jest/globals";
import { type LoadMode, LoadTask, MISS, shortMeaning } from "../../src/cache/load-task.js";
import type { Reading } from "../../src/cache/spec.js";
import { Standing } from "../../src/runtime/standing.js";
import { settle } from "../support/manual-clock.js";

const NEWER_THAN = { askedAt: 1 };
const SAYS_ALL: Reading = { hardExpiry: 5000, meaning: "0123456789abcdef" };

/** A task, and the questions that were read for it. */
function start(reading: Reading = SAYS_ALL) {
  const read: string[] = [];
  const reader = {
    read(question: string) {
      read.push(question);
      return reading;
    },
  };
  return { read, task: new LoadTask("token-ana", MISS, new Standing(), reader) };
}

/** How many turns of the event loop are asked for meanwhile. */
function turnsIn(run: () => void): number {
  let turns = 0;
  const hook = createHook({ init: (_id, type) => void (type === "Immediate" && turns++) }).enable();
  try {
    run();
  } finally {
    hook.disable();
  }
  return turns;
}

describe("What a question says of itself", () => {
  test("is read once, when it is needed", () => {
    const { read, task } = start();
    expect(read).toEqual([]);
    expect([task.hardExpiry, task.meaning, task.hardExpiry]).toEqual([5000, "0123456789a", 5000]);
    expect(read).toEqual(["token-ana"]);
  });

  test("is read in the next turn where the store is asked meanwhile, and not again", async () => {
    const { read, task } = start();
    expect(turnsIn(() => task.prepare())).toBe(1);
    await Promise.resolve();
    expect(read).toEqual([]);
    await settle();
    expect(read).toEqual(["token-ana"]);
    expect([task.hardExpiry, task.meaning]).toEqual([5000, "0123456789a"]);
    expect(read).toEqual(["token-ana"]);
  });

  test("is not read again in the next turn where it was needed before", async () => {
    const { read, task } = start();
    task.prepare();
    expect(task.hardExpiry).toBe(5000);
    await settle();
    expect(read).toEqual(["token-ana"]);
  });

  test("is an end without a meaning, or the other way round", () => {
    const [ends, means] = [
      start({ hardExpiry: 0, meaning: undefined }).task,
      start({ hardExpiry: undefined, meaning: "7" }).task,
    ];
    expect([ends.hardExpiry, ends.meaning]).toStrictEqual([0, undefined]);
    expect([means.hardExpiry, means.meaning]).toStrictEqual([Number.POSITIVE_INFINITY, "7"]);
  });

  test("is nothing where there is nothing to read, and costs no turn", () => {
    const task = new LoadTask("ana", MISS, new Standing(), {});
    expect(turnsIn(() => task.prepare())).toBe(0);
    expect([task.hardExpiry, task.meaning]).toStrictEqual([Number.POSITIVE_INFINITY, undefined]);
  });
});

test.each<[LoadMode, boolean]>([
  [MISS, true],
  [{ kind: "fresh", since: 1 }, true],
  [{ kind: "refresh", newerThan: NEWER_THAN }, false],
])("A task of mode %j is waited for from the start: %s.", (mode, isWaitedFor) => {
  const standing = new Standing("ana");
  const gate = async () => undefined;
  const asked = { joined: undefined, queuedMs: undefined };
  const task = new LoadTask("token-ana", mode, standing, {}, { gate, asked });
  expect([task.isWaitedFor, task.question, task.mode]).toEqual([isWaitedFor, "token-ana", mode]);
  expect([task.standing === standing, task.gate === gate, task.asked === asked]).toEqual([true, true, true]);
});

test("A task has neither gate nor watched question where it was begun for no caller.", () => {
  const { task } = start();
  expect([task.gate, task.asked]).toStrictEqual([undefined, undefined]);
});

test.each([
  ["0123456789abc", "0123456789a"],
  ["0123456789a", "0123456789a"],
  ["7", "7"],
  [undefined, undefined],
])("The meaning %s is kept as %s.", (digest, meaning) => {
  expect(shortMeaning(digest)).toBe(meaning);
});
