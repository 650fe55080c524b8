import { expect, test } from "@jest/globals";
import type { Fact } from "../../src/cache/log-facts.js";
import { LogOutbox, type Telling } from "../../src/cache/log-outbox.js";

const telling = (fact: Fact): Telling => ({ fact, write: async () => undefined });
const user = (subject: string, at = 1) => telling({ kind: "user", subject, at });
const token = (id: string, at = 1) => telling({ kind: "token", id, meaning: undefined, at });
const refusal = (id: string, at = 1) => telling({ kind: "refusal", id, meaning: undefined, at });

function filledWith(...tellings: Telling[]) {
  const outbox = new LogOutbox();
  for (const each of tellings) outbox.add(each);
  return outbox;
}

test("The newest of each subject and id waits, where it was added last.", () => {
  const [old, ben, late] = [user("ana", 1), user("ben"), user("ana", 2)];
  const outbox = filledWith(old, ben, late);
  outbox.add(user("ana", 1));
  expect([outbox.size, outbox.all()]).toEqual([2, [ben, late]]);
  expect([old, ben, late].map((each) => outbox.has(each))).toEqual([false, true, true]);
});

test("Of what happened at the same time, the one that was added last waits.", () => {
  const [one, other] = [user("ana"), user("ana")];
  const outbox = filledWith(one, other);
  expect([one, other].map((each) => outbox.has(each))).toEqual([false, true]);
});

test("Refusals come last, and what has failed comes behind all that has not, in the same order.", () => {
  const [x, y, ana, ben] = [refusal("x"), refusal("y"), user("ana"), user("ben")];
  const outbox = filledWith(x, y, ana, ben);
  expect(outbox.all()).toEqual([ana, ben, x, y]);
  outbox.failed(x);
  outbox.failed(ana);
  expect(outbox.all()).toEqual([ben, y, ana, x]);
});

test("What is told waits no more, nor what is older; what is newer does.", () => {
  const [old, late] = [user("ana", 1), user("ana", 2)];
  const outbox = filledWith(old, user("ben"));
  outbox.told(late);
  expect(outbox.has(old)).toBe(false);
  outbox.add(late);
  outbox.told(old);
  expect([outbox.has(late), outbox.size]).toEqual([true, 2]);
  outbox.told(user("carl")); // which does not wait
  expect(outbox.size).toBe(2);
});

test("The invalidation of a token says all that its refusal says, and not the other way round.", () => {
  const [invalidated, refused] = [token("x"), refusal("x")];
  const outbox = filledWith(invalidated, refused);
  outbox.told(refusal("x"));
  expect(outbox.all()).toEqual([invalidated]);
  outbox.add(refused);
  outbox.told(token("x"));
  expect(outbox.all()).toEqual([]);
});

test("10,000 invalidations and 1000 refusals wait: the oldest of the same room leaves.", () => {
  const users = Array.from({ length: 10_001 }, (_, n) => user(`${n}`));
  const refusals = Array.from({ length: 1001 }, (_, n) => refusal(`${n}`));
  const outbox = filledWith(...users.slice(0, -1), ...refusals.slice(0, -1));
  expect(outbox.size).toBe(11_000);
  outbox.add(users.at(-1) as Telling);
  outbox.add(refusals.at(-1) as Telling);
  expect(outbox.size).toBe(11_000);
  expect([...users.slice(0, 2), ...refusals.slice(0, 2)].map((each) => outbox.has(each))).toEqual([
    ...[false, true],
    ...[false, true],
  ]);
});

test("What was told meanwhile has not failed: added again, it waits like all that was not tried yet.", () => {
  const [ana, ben] = [user("ana"), user("ben")];
  const outbox = filledWith(ana);
  outbox.told(ana);
  outbox.failed(ana);
  outbox.add(ana);
  outbox.add(ben);
  expect(outbox.all()).toEqual([ana, ben]);
});

test.each<[string, (outbox: LogOutbox, failed: Telling) => void]>([
  ["is told", (outbox, failed) => outbox.told(failed)],
  ["gives way to a newer one", (outbox) => outbox.add(user("ana", 2))],
  ["is let go of", (outbox) => outbox.keep(() => false)],
  ["is cleared away", (outbox) => outbox.clear()],
])("That something has failed is forgotten when it %s.", (_when, leave) => {
  const [ana, ben] = [user("ana"), user("ben")];
  const outbox = filledWith(ana);
  outbox.failed(ana);
  leave(outbox, ana);
  outbox.told(user("ana", 2));
  outbox.add(ana);
  outbox.add(ben);
  expect(outbox.all()).toEqual([ana, ben]);
});

test("All but what is to be kept is let go of, of invalidations and of refusals.", () => {
  const [ana, ben, x, y] = [user("ana"), user("ben"), refusal("x"), refusal("y")];
  const outbox = filledWith(ana, ben, x, y);
  outbox.keep((each) => each === ben || each === y);
  expect(outbox.all()).toEqual([ben, y]);
});

test("A cleared outbox holds nothing.", () => {
  const [ana, x] = [user("ana"), refusal("x")];
  const outbox = filledWith(ana, x);
  outbox.clear();
  expect([outbox.size, outbox.all(), outbox.has(ana), outbox.has(x)]).toEqual([0, [], false, false]);
});
