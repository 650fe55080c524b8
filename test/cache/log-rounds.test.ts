import { expect, test } from "@jest/globals";
import type { Fact } from "../../src/cache/log-facts.js";
import { LogTeller } from "../../src/cache/log-teller.js";
import { FakeLog } from "../support/fake-log.js";
import { ManualClock } from "../support/manual-clock.js";

const down = new Error("there is no connection");

/** A process, and a store of two parts: what begins with the same letter lies in the same one. */
function start() {
  const clock = new ManualClock();
  const log = new FakeLog(clock);
  const teller = new LogTeller({
    ...{ wire: log, by: "me", seal: (text: string) => text, socketClock: clock, wellAt: () => clock.monotonic() },
    ...{ isReadable: () => true, onDeleted: () => undefined, onUsable: () => undefined },
  });
  const away = new Set<string>();
  const tried: string[] = [];
  const attempt = (fact: Fact, name: string) =>
    teller.tell({
      fact,
      write: async () => {
        tried.push(name);
        if (away.has(name.charAt(0))) throw down;
      },
    });
  const tell = (subject: string) => attempt({ kind: "user", subject, at: 1 }, subject).catch(() => undefined);
  const refuse = (id: string) => attempt({ kind: "refusal", id, meaning: undefined, at: 1 }, id).catch(() => undefined);
  const subjects = () => log.records.map(({ text }) => JSON.parse(text as string).subject ?? "refusal");
  return { clock, log, teller, away, tried, tell, refuse, subjects };
}

const many = (letter: string, count: number) => Array.from({ length: count }, (_, n) => `${letter}${n}`);

test("A part of the store that is away holds up nothing that lies elsewhere, however much waits for it.", async () => {
  const { clock, log, teller, away, tell, refuse, subjects } = start();
  await tell("a-lost");
  away.add("c");
  for (const subject of many("c", 30)) await tell(subject);
  log.appendRefusal = down;
  await tell("a-late");
  await refuse("a-refused");
  log.appendRefusal = undefined;
  log.records = [];
  log.takenOver();
  await clock.advance(1000);
  expect(subjects()).toEqual(["a-late", "a-lost", "refusal"]);
  expect(teller.waiting).toBe(30);
  away.clear();
  await clock.advance(2000);
  expect([log.records.length, teller.waiting]).toEqual([33, 0]);
});

test("What has failed in its turn comes after what was not tried yet.", async () => {
  const { clock, log, away, tried, tell } = start();
  away.add("c");
  for (const subject of many("c", 40)) await tell(subject);
  await clock.advance(1200);
  for (const subject of many("b", 25)) await tell(subject);
  log.records = [];
  tried.length = 0;
  log.takenOver();
  await clock.advance(199);
  expect(tried).toEqual([...many("b", 25), ...many("c", 15)]);
});

test("200 are tried in a second, whether they fail or not, and however often Redis is connected to.", async () => {
  const { clock, log, teller, away, tried, tell } = start();
  away.add("c");
  for (const subject of many("c", 500)) await tell(subject);
  for (const isAway of [true, false]) {
    tried.length = 0;
    if (!isAway) away.clear();
    for (let n = 0; n < 100; n++) {
      log.connected();
      await clock.advance(10);
    }
    expect(tried.length).toBeGreaterThan(180);
    expect(tried.length).toBeLessThanOrEqual(220);
  }
  await clock.advance(2000);
  expect([log.records.length, teller.waiting]).toEqual([500, 0]);
});

test("A round ends where the log takes nothing: the store is not written to for all that waits.", async () => {
  const { clock, log, tried, tell } = start();
  log.appendRefusal = down;
  for (const subject of many("a", 100)) await tell(subject);
  tried.length = 0;
  await clock.advance(10_000);
  expect(tried).toHaveLength(200);
});
