import { describe, expect, test } from "@jest/globals";
import { ClusterMap } from "../../src/cache/cluster-map.js";
import type { SlotRange } from "../../src/cache/cluster-slots.js";
import type { RedisHost } from "../../src/cache/redis-target.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { afterwards } from "../support/open-client.js";

const [A, B, C] = ["a", "b", "c"].map((host) => ({ host, port: 1 })) as [RedisHost, RedisHost, RedisHost];
const mapOn = (master: RedisHost): SlotRange[] => [{ first: 0, last: 16_383, master }];
const never = () => new Promise<never>(() => undefined);
const refuse = () => Promise.reject(Object.assign(new Error(), { code: "ECONNREFUSED" }));

/** A map, and what its nodes do. */
async function startMap(answer: (host: RedisHost) => Promise<readonly SlotRange[]>, random = 0, hosts = [A, B, C]) {
  const clock = new ManualClock();
  const start = clock.monotonic();
  const nodes = { answer, asked: [] as string[], renewed: 0 };
  const map = new ClusterMap({
    hosts,
    ask: (host) => {
      nodes.asked.push(`${host.host} ${Math.round(clock.monotonic() - start)}`);
      return nodes.answer(host);
    },
    onRenewed: () => void nodes.renewed++,
    clock,
    random: () => random,
  });
  afterwards(() => map.close());
  await settle();
  return { clock, nodes, map };
}

describe("The map of a cluster", () => {
  test("is got from the first node that answers", async () => {
    const { nodes, map } = await startMap(async () => mapOn(A));
    await map.ready;
    expect([nodes.asked, nodes.renewed, map.isKnown]).toEqual([["a 0"], 1, true]);
  });

  test("is got from the next one where a node refuses, and within a moment where it is silent", async () => {
    const { clock, nodes, map } = await startMap((host) =>
      host === A ? refuse() : host === B ? never() : Promise.resolve(mapOn(C)),
    );
    await clock.advance(150);
    await map.ready;
    expect(nodes.asked).toEqual(["a 0", "b 0", "c 150"]);
  });

  test("is not asked of the same node each time", async () => {
    const { nodes } = await startMap(async () => mapOn(A), 0.4);
    expect(nodes.asked).toEqual(["b 0"]);
  });

  test("is renewed once in a second, however often it is doubted", async () => {
    const { clock, nodes, map } = await startMap(async () => mapOn(A));
    for (let n = 0; n < 99; n++) {
      map.doubt();
      await clock.advance(50);
    }
    expect(nodes.asked).toEqual(["a 0", "a 1000", "a 2000", "a 3000", "a 4000"]);
  });

  test("is not asked for by itself", async () => {
    const { clock, nodes } = await startMap(async () => mapOn(A));
    await clock.advance(3_600_000);
    expect(nodes.asked).toHaveLength(1);
  });

  test.each([
    [0, 0.5],
    [0.5, 0.75],
    [0.999_999, 1],
  ])("is asked for less and less often while nothing is there, and found: by chance %d", async (random, factor) => {
    const { clock, nodes, map } = await startMap(refuse, random);
    await expect(map.ready).rejects.toMatchObject({ name: "NotConnectedError", code: "ECONNREFUSED" });
    expect(map.isKnown).toBe(false);
    await clock.advance(9990);
    const times = nodes.asked.filter((line) => line.startsWith("a")).map((line) => Number(line.split(" ")[1]));
    const gaps = times.slice(1).map((at, n) => at - (times[n] as number));
    const waits = [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000].map((ms) => ms * factor);
    expect(gaps.slice(0, 9).map((gap, n) => Math.abs(gap - (waits[n] as number)) <= 1)).toEqual(waits.map(() => true));
    nodes.answer = async () => mapOn(B);
    await clock.advance(2000);
    expect([map.isKnown, nodes.renewed]).toEqual([true, 1]);
    const asked = nodes.asked.length;
    await clock.advance(60_000);
    expect(nodes.asked).toHaveLength(asked);
  });

  test("is asked of each node once, from any of them on", async () => {
    const { nodes, map } = await startMap(refuse, 0.4);
    await expect(map.ready).rejects.toThrow();
    expect(nodes.asked).toEqual(["b 0", "c 0", "a 0"]);
  });

  test("is asked of the masters that it names, too, and of each node once", async () => {
    const [D, E] = [
      { host: "d", port: 1 },
      { host: "e", port: 1 },
    ];
    const { clock, nodes, map } = await startMap(async () => [...mapOn(D), ...mapOn(B), ...mapOn(E), ...mapOn(B)]);
    nodes.answer = refuse;
    map.doubt();
    await clock.advance(1000);
    expect(nodes.asked.slice(1)).toEqual(["d 1000", "b 1000", "e 1000", "a 1000", "c 1000"]);
  });

  test("is renewed no more than once in a second where nothing answers any more", async () => {
    const { clock, nodes, map } = await startMap(async () => mapOn(A), 0, [A]);
    nodes.answer = refuse;
    for (let n = 0; n < 60; n++) {
      map.doubt();
      await clock.advance(50);
    }
    expect([nodes.asked, map.isKnown]).toEqual([["a 0", "a 1000", "a 2000", "a 3000"], true]);
  });

  test("is renewed at once where the last time is a second ago", async () => {
    const { clock, nodes, map } = await startMap(async () => mapOn(A));
    await clock.advance(1000);
    map.doubt();
    await settle();
    expect([nodes.asked, nodes.renewed]).toEqual([["a 0", "a 1000"], 2]);
  });

  test("is renewed once for all that wait for it", async () => {
    const { clock, nodes, map } = await startMap(async () => mapOn(A));
    const renewals = [map.renew(), map.renew()];
    await clock.advance(1000);
    await Promise.all(renewals);
    expect(nodes.asked).toEqual(["a 0", "a 1000"]);
  });

  test("is asked of four nodes at once, and of another one when one of them has failed", async () => {
    const fails: ((error: Error) => void)[] = [];
    const hosts = Array.from({ length: 7 }, (_, n) => ({ host: `${n}`, port: 1 }));
    const { clock, nodes, map } = await startMap(() => new Promise((_, reject) => fails.push(reject)), 0, hosts);
    await clock.advance(149);
    expect(nodes.asked).toEqual(["0 0"]);
    await clock.advance(1000);
    expect(nodes.asked).toEqual(["0 0", "1 150", "2 300", "3 450"]);
    fails[2]?.(new Error());
    await settle();
    expect(nodes.asked.slice(4)).toEqual(["4 1149"]);
    await clock.advance(350);
    expect(nodes.asked).toHaveLength(5);
    await clock.advance(1); // it has taken its 1500 ms
    await expect(map.ready).rejects.toMatchObject({ name: "NotConnectedError", code: undefined });
    fails[0]?.(new Error());
    await settle();
    expect(nodes.asked).toHaveLength(5);
  });

  test("is kept when nothing answers any more", async () => {
    const { clock, nodes, map } = await startMap(async () => mapOn(A));
    nodes.answer = never;
    const renewed = map.renew();
    renewed.catch(() => undefined);
    await clock.advance(2500);
    await expect(renewed).rejects.toThrow();
    expect([map.isKnown, nodes.renewed]).toEqual([true, 1]);
  });

  test("is not renewed after its end, and an answer that comes late changes nothing", async () => {
    let answer: (ranges: readonly SlotRange[]) => void = () => undefined;
    const { clock, nodes, map } = await startMap(() => new Promise((resolve) => (answer = resolve)));
    map.close();
    answer(mapOn(A));
    await expect(map.ready).rejects.toThrow();
    map.doubt();
    await clock.advance(60_000);
    expect([nodes.asked.length, nodes.renewed]).toEqual([1, 0]);
  });

  test("is not taken over from an answer that its end came right behind", async () => {
    let answer: (ranges: readonly SlotRange[]) => void = () => undefined;
    const { nodes, map } = await startMap(() => new Promise((resolve) => (answer = resolve)));
    answer(mapOn(A));
    map.close();
    await expect(map.ready).rejects.toMatchObject({ name: "NotConnectedError" });
    expect([nodes.renewed, map.isKnown]).toEqual([0, false]);
  });

  test("is waited for no longer than to its end, and no time is counted after it", async () => {
    const { clock, nodes, map } = await startMap(async () => mapOn(A));
    const renewed = map.renew();
    expect(clock.pending).toBeGreaterThan(0);
    map.close();
    await expect(renewed).rejects.toMatchObject({ name: "NotConnectedError" });
    expect([clock.pending, nodes.asked.length]).toEqual([0, 1]);
    await expect(map.renew()).rejects.toMatchObject({ name: "NotConnectedError" });
    expect(nodes.asked).toHaveLength(1);
  });
});
