import { getEventListeners } from "node:events";
import { describe, expect, test } from "@jest/globals";
import { raceAbort, raceTimeout, sleep, whenAborted } from "../../src/runtime/abort.js";
import { ManualClock, settle } from "../support/manual-clock.js";

const REASON = new Error("no longer needed");
const never = () => new Promise<never>(() => undefined);
const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

describe("whenAborted", () => {
  test("has one listener for all that wait, and none for none", () => {
    const { signal } = new AbortController();
    const letGo = Array.from({ length: 1000 }, () => whenAborted(signal, () => undefined));
    expect(listeners(signal)).toBe(1);
    for (const each of letGo) each();
    expect(listeners(signal)).toBe(0);
    const again = whenAborted(signal, () => undefined);
    letGo[0]?.();
    expect(listeners(signal)).toBe(1);
    again();
    expect(listeners(signal)).toBe(0);
  });

  test("calls back all that wait, in their order, without those that one of them lets go of", () => {
    const controller = new AbortController();
    const called: string[] = [];
    const wait = (name: string, action = () => undefined as unknown) =>
      whenAborted(controller.signal, () => {
        called.push(name);
        action();
      });
    wait("first", () => letGo());
    const letGo = wait("second");
    wait("third")();
    wait("fourth");
    controller.abort();
    expect(called).toEqual(["first", "fourth"]);
  });
});

describe("raceAbort", () => {
  test("settles as the promise does, and then listens no longer", async () => {
    const { signal } = new AbortController();
    expect(await raceAbort(Promise.resolve("answer"), signal)).toBe("answer");
    await expect(raceAbort(Promise.reject(REASON), signal)).rejects.toBe(REASON);
    await settle();
    expect(listeners(signal)).toBe(0);
  });

  test("rejects with the signal's reason as soon as it aborts", async () => {
    const controller = new AbortController();
    const race = raceAbort(never(), controller.signal);
    controller.abort(REASON);
    await expect(race).rejects.toBe(REASON);
  });

  test("rejects at once when it has aborted before, whatever the promise does", async () => {
    const failed = Promise.reject(new Error("nobody may be left to handle this"));
    await expect(raceAbort(failed, AbortSignal.abort(REASON))).rejects.toBe(REASON);
    await settle();
  });

  test("without a signal it is the promise itself", () => {
    const promise = never();
    expect(raceAbort(promise, undefined)).toBe(promise);
  });
});

describe("raceTimeout", () => {
  const late = () => new Error("late");

  test("settles as the promise does, and clears its timer", async () => {
    const clock = new ManualClock();
    expect(await raceTimeout(Promise.resolve("answer"), clock, 100, late)).toBe("answer");
    await expect(raceTimeout(Promise.reject(REASON), clock, 100, late)).rejects.toBe(REASON);
    await settle();
    expect(clock.pending).toBe(0);
  });

  test("rejects when the time is over", async () => {
    const clock = new ManualClock();
    const race = raceTimeout(never(), clock, 100, late).catch((error: Error) => error.message);
    await clock.advance(99);
    expect(clock.pending).toBe(1);
    await clock.advance(1);
    expect(await race).toBe("late");
  });

  test("takes what has come in while the process itself was busy", async () => {
    const clock = new ManualClock();
    let arrive: (answer: string) => void = () => undefined;
    const answer = new Promise<string>((resolve) => {
      arrive = resolve;
    });
    const race = raceTimeout(answer, clock, 100, late).catch((error: Error) => error.message);
    // Node runs the timers that are due before it reads the sockets: the answer is there, and nobody has looked yet.
    clock.setTimeout(() => arrive("answer"), 100);
    await clock.advance(100);
    expect(await race).toBe("answer");
  });
});

describe("sleep", () => {
  test("lasts as long as it says", async () => {
    const clock = new ManualClock();
    let awake = false;
    void sleep(clock, 100, undefined).then(() => {
      awake = true;
    });
    await clock.advance(99);
    expect(awake).toBe(false);
    await clock.advance(1);
    expect(awake).toBe(true);
  });

  test("ends with the signal's reason, and leaves neither timer nor listener behind", async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    const sleeping = sleep(clock, 100, controller.signal);
    controller.abort(REASON);
    await expect(sleeping).rejects.toBe(REASON);
    await settle();
    expect(clock.pending).toBe(0);

    const { signal } = new AbortController();
    const slept = sleep(clock, 100, signal);
    await clock.advance(100);
    await slept;
    await settle();
    expect(listeners(signal)).toBe(0);
  });
});
