import { describe, expect, test } from "@jest/globals";
import { slotOf } from "../../src/cache/cluster-slots.js";
import type { RedisHost } from "../../src/cache/redis-target.js";
import { type FakeNode, keyWhere, slotEntry } from "../support/fake-cluster.js";
import { openCluster } from "../support/open-cluster.js";
import { until } from "../support/until.js";

const KEY = keyWhere((slot) => slot < 8192);
const SLOT = slotOf(KEY);

type Operation = "get" | "set" | "delete" | "send";
/** What can be done with a key, what Redis is told of it, and what comes of it where the key is not there. */
const OPERATIONS: readonly [Operation, readonly string[], unknown][] = [
  ["get", ["MGET", KEY], null],
  ["set", ["SET", KEY, "text", "PX", "5000"], true],
  ["delete", ["UNLINK", KEY], false],
  ["send", ["MGET", KEY, KEY], [null, null]],
];

/** Two masters, the first of which answers all about the key with an error. */
async function openRedirecting(
  errorOf: (first: FakeNode, second: FakeNode) => string,
  at?: (second: FakeNode) => RedisHost,
) {
  const opened = await openCluster({
    slots: (first, second) => [slotEntry(0, 8191, first), slotEntry(8192, 16_383, at?.(second) ?? second)],
  });
  const { cluster, first, second } = opened;
  await cluster.store.ready;
  first.refuse = (words) => (words[1] === KEY ? errorOf(first, second) : undefined);
  for (const node of opened.fake.nodes) node.asked.length = 0;
  const run = (operation: Operation): Promise<unknown> => {
    if (operation === "set") return cluster.store.set(KEY, "text", 5000);
    return operation === "send" ? cluster.send(KEY, ["MGET", KEY, KEY]) : cluster.store[operation](KEY);
  };
  return { ...opened, run };
}

describe("A key whose slot has moved to another master", () => {
  test.each(OPERATIONS)("is served there: %s", async (operation, words, result) => {
    const { first, second, run } = await openRedirecting((_first, { id }) => `MOVED ${SLOT} ${id}`);
    expect(await run(operation)).toEqual(result);
    expect([first.asked, second.asked]).toEqual([[words], [words]]);
  });

  test("is found there", async () => {
    const { second, run } = await openRedirecting((_first, { id }) => `MOVED ${SLOT} ${id}`);
    second.texts.set(KEY, "text");
    expect([await run("get"), await run("delete"), await run("get")]).toEqual(["text", true, null]);
  });

  test("gives reason to ask for all slots anew, once in a second", async () => {
    const { clock, fake, run } = await openRedirecting((_first, { id }) => `MOVED ${SLOT} ${id}`);
    await Promise.all([run("get"), run("get")]);
    await clock.advance(999);
    expect(fake.looks).toBe(1);
    await clock.advance(1);
    await until(() => fake.looks === 2);
  });
});

describe("A key whose slot is on its way to another master", () => {
  test.each(OPERATIONS)("is asked for there, in its own name: %s", async (operation, words, result) => {
    const { first, second, run } = await openRedirecting((_first, { id }) => `ASK ${SLOT} ${id}`);
    expect(await run(operation)).toEqual(result);
    expect([first.asked, second.asked]).toEqual([[words], [["ASKING"], words]]);
  });

  test("is found there", async () => {
    const { second, run } = await openRedirecting((_first, { id }) => `ASK ${SLOT} ${id}`);
    await run("set");
    expect(second.texts.get(KEY)).toBe("text");
    expect([await run("get"), await run("send"), await run("delete")]).toEqual(["text", ["text", "text"], true]);
    expect(second.texts.size).toBe(0);
  });

  test("gives no reason to ask for the slots anew", async () => {
    const { clock, fake, run } = await openRedirecting((_first, { id }) => `ASK ${SLOT} ${id}`);
    await run("get");
    await clock.advance(5000);
    expect(fake.looks).toBe(1);
  });
});

test.each(["MOVED", "ASK"])("%s to IPv6, which Redis writes without brackets, is followed", async (kind) => {
  const mapped = "::ffff:127.0.0.1";
  const { cluster, first, second, run } = await openRedirecting(
    (_first, { port }) => `${kind} ${SLOT} ${mapped}:${port}`,
    ({ port }) => ({ host: mapped, port }),
  );
  expect(cluster.store.parts?.all().map(({ name }) => name)).toEqual([first.id, `[${mapped}]:${second.port}`]);
  second.texts.set(KEY, "text");
  expect(await run("get")).toBe("text");
});

describe("A redirection is not followed", () => {
  test.each(["MOVED", "ASK"])("to what is no master of this cluster: %s", async (kind) => {
    let named = "";
    const { third, run } = await openRedirecting(() => named);
    named = `${kind} ${SLOT} ${third.id}`;
    await expect(run("get")).rejects.toMatchObject({
      name: "NotConnectedError",
      code: kind,
      cause: { message: `${kind} ${SLOT} ${third.id}` },
    });
    expect(third.redis.connections).toBe(0);
  });

  test.each(["MOVED", "ASK"])("to the master that gave it: %s", async (kind) => {
    const { first, run } = await openRedirecting(({ id }) => `${kind} ${SLOT} ${id}`);
    await expect(run("get")).rejects.toMatchObject({ name: "NotConnectedError", code: kind });
    expect(first.asked).toEqual([["MGET", KEY]]);
  });

  test("from the master that another one named", async () => {
    const { first, second, run } = await openRedirecting((_first, { id }) => `MOVED ${SLOT} ${id}`);
    second.refuse = () => `MOVED ${SLOT} ${first.id}`;
    await expect(run("get")).rejects.toThrow(`MOVED ${SLOT} ${first.id}`);
    expect([first.asked.length, second.asked.length]).toEqual([1, 1]);
  });

  test.each<[string, (id: string) => string]>([
    ["with more before it", (id) => `ERR MOVED ${SLOT} ${id}`],
    ["with more behind it", (id) => `MOVED ${SLOT} ${id} now`],
    ["of no slot", (id) => `MOVED one ${id}`],
    ["of another kind", (id) => `TRYAGAIN ${SLOT} ${id}`],
  ])("%s: it is an error like others", async (_what, errorOf) => {
    const { second, run } = await openRedirecting((_first, { id }) => errorOf(id));
    await expect(run("get")).rejects.toThrow(errorOf(second.id));
    expect(second.asked).toEqual([]);
  });
});

test("An error that is no redirection is told as it is", async () => {
  const { second, run } = await openRedirecting(() => "OOM command not allowed");
  await expect(run("set")).rejects.toThrow("OOM command not allowed");
  expect(second.asked).toEqual([]);
});
