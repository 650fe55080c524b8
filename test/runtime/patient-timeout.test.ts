import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, test } from "@jest/globals";
import { type Clock, systemClock } from "../../src/runtime/clock.js";
import { setPatientTimeout } from "../../src/runtime/patient-timeout.js";
import { ManualClock } from "../support/manual-clock.js";

test("A patient timeout is due when its time is over, and tells when that was", async () => {
  const clock = new ManualClock(1000);
  const due: number[] = [];
  setPatientTimeout(clock, (dueAt) => due.push(dueAt), 100);
  await clock.advance(99);
  expect(due).toEqual([]);
  await clock.advance(1);
  expect(due).toEqual([1100]);
  expect(clock.pending).toBe(0);
});

test("lets everything else go first that is due at the same time", async () => {
  const clock = new ManualClock();
  const order: string[] = [];
  setPatientTimeout(clock, () => order.push("patient"), 100);
  clock.setTimeout(() => order.push("another"), 100);
  await clock.advance(100);
  expect(order).toEqual(["another", "patient"]);
});

test.each([
  ["before it is due", 50],
  ["in the turn that it leaves to the others", 100],
])("can be cleared %s", async (_when, ms) => {
  const clock = new ManualClock();
  const timer = setPatientTimeout(clock, () => expect("called").toBe("cleared"), 100);
  clock.setTimeout(() => timer.clear(), ms);
  await clock.advance(1000);
  expect(clock.pending).toBe(0);
});

test("keeps the process alive as it was told to, in its second turn too", async () => {
  const clock = new ManualClock();
  const background: (boolean | undefined)[] = [];
  const watched: Clock = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    setTimeout: (callback, ms, options) => {
      background.push(options?.background);
      return clock.setTimeout(callback, ms);
    },
  };
  const noop = () => undefined;
  setPatientTimeout(watched, noop, 1);
  setPatientTimeout(watched, noop, 2, { background: true });
  setPatientTimeout(watched, noop, 3).keepAlive?.(false);
  await clock.advance(3);
  expect(background).toEqual([false, true, false, false, true, true]);
});

test("finds what came in while the process itself was busy", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect({ host: "127.0.0.1", port: (server.address() as AddressInfo).port });
  const [peer] = (await once(server, "connection")) as [Socket];
  const first = await new Promise<string>((resolve) => {
    socket.once("data", () => resolve("the answer"));
    setPatientTimeout(systemClock, () => resolve("the timeout"), 5);
    peer.write("answer"); // now, as far as the kernel is concerned
    const until = performance.now() + 30;
    while (performance.now() < until);
  });
  socket.destroy();
  peer.destroy();
  server.close();
  expect(first).toBe("the answer");
});
