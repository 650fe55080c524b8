import { describe, expect, test } from "@jest/globals";
import type { Fact } from "../../src/cache/log-facts.js";
import { LogOutbox, type Telling } from "../../src/cache/log-outbox.js";
import { type Attempt, LogRounds } from "../../src/cache/log-rounds.js";
import { LogTeller } from "../../src/cache/log-teller.js";
import { FakeLog } from "../support/fake-log.js";
import { ManualClock, settle } from "../support/manual-clock.js";

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

test("A round goes on where the log takes some of what is tried.", async () => {
  const { clock, log, tried, tell } = start();
  log.appendRefusal = down;
  for (const subject of many("a", 45)) await tell(subject);
  log.appendRefusal = undefined;
  const append = log.append.bind(log);
  log.append = async (text) => {
    if (!text.includes('"a7"')) throw down;
    return append(text);
  };
  tried.length = 0;
  log.connected();
  await clock.advance(500);
  expect(tried).toEqual(many("a", 40)); // of the second 20 it took none
});

describe("A round", () => {
  /** Notes of each timer whether it leaves the process its end. */
  class NotingClock extends ManualClock {
    readonly background: (boolean | undefined)[] = [];

    override setTimeout(callback: () => void, ms: number, options?: { background?: boolean }) {
      this.background.push(options?.background);
      return super.setTimeout(callback, ms);
    }
  }

  /** Rounds over so many that wait, whose attempts end when the test says so, and how. */
  function startRounds(count: number) {
    const clock = new NotingClock();
    const outbox = new LogOutbox();
    const tellings = many("a", count).map(
      (subject): Telling => ({ fact: { kind: "user", subject, at: 1 }, write: async () => undefined }),
    );
    for (const telling of tellings) outbox.add(telling);
    const tried: Telling[] = [];
    const underWay: { telling: Telling; resolve: (attempt: Attempt) => void }[] = [];
    const attempt = (telling: Telling) => {
      tried.push(telling);
      return new Promise<Attempt>((resolve) => underWay.push({ telling, resolve }));
    };
    const end = (how: (telling: Telling) => Attempt) => {
      for (const { telling, resolve } of underWay.splice(0)) {
        const ended = how(telling);
        if (ended === "told") outbox.told(telling);
        resolve(ended);
      }
      return settle();
    };
    return { clock, outbox, tellings, tried, end, rounds: new LogRounds({ outbox, clock, attempt }) };
  }

  test("tries nothing more and waits for nothing while attempts are under way, though another one begins", async () => {
    const { clock, tried, end, rounds } = startRounds(25);
    rounds.begin();
    rounds.later();
    rounds.begin();
    expect([tried.length, clock.pending]).toEqual([20, 0]);
    await clock.advance(5000);
    expect([tried.length, clock.pending]).toEqual([20, 0]);
    await end(() => "told");
    expect(tried).toHaveLength(25);
  });

  test("tries nothing that was told meanwhile", async () => {
    const { clock, outbox, tellings, tried, end, rounds } = startRounds(25);
    rounds.begin();
    outbox.told(tellings[22] as Telling);
    await end(() => "no store");
    await clock.advance(100);
    expect(tried).toEqual(tellings.filter((_, n) => n !== 22));
  });

  test("counts nothing as failed that was told, though it waits again: it is to be told again", async () => {
    const { outbox, tellings, end, rounds } = startRounds(2);
    const [away, told] = tellings as [Telling, Telling];
    rounds.begin();
    const ended = end((telling) => (telling === told ? "told" : "no store"));
    outbox.add(told);
    await ended;
    expect(outbox.all()).toEqual([told, away]);
  });

  test("is followed by none where nothing waits any more", async () => {
    const { clock, end, rounds } = startRounds(1);
    rounds.begin();
    await end(() => "told");
    expect(clock.pending).toBe(0);
  });

  test("that is to come, or is under way, ends when the rounds are stopped, and leaves no timer", async () => {
    const { clock, outbox, tried, end, rounds } = startRounds(25);
    rounds.later();
    rounds.stop();
    expect(clock.pending).toBe(0);
    rounds.begin();
    outbox.clear();
    rounds.stop();
    await end(() => "no store");
    expect([tried.length, clock.pending]).toEqual([20, 0]);
  });

  test("keeps no process running: neither one that is to come, nor what is left of one", async () => {
    const { clock, end, rounds } = startRounds(25);
    rounds.later();
    await clock.advance(1000);
    await end(() => "no store");
    expect(clock.background).toEqual([true, true]);
  });
});
