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
async function startMap(answer: (host: RedisHost) => Promise<readonly SlotRange[]>, random = 0) {
  const clock = new ManualClock();
  const start = clock.monotonic();
  const nodes = { answer, asked: [] as string[], renewed: 0 };
  const map = new ClusterMap({
    hosts: [A, B, C],
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

  test("is asked for less and less often while nothing is there, up to once in two seconds, and found", async () => {
    const { clock, nodes, map } = await startMap(refuse, 0.999_999);
    await expect(map.ready).rejects.toMatchObject({ name: "NotConnectedError", code: "ECONNREFUSED" });
    await clock.advance(10_000);
    const times = nodes.asked.filter((line) => line.startsWith("a")).map((line) => Number(line.split(" ")[1]));
    expect(times.slice(1).map((at, n) => at - (times[n] as number))).toEqual(
      [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000].slice(0, times.length - 1),
    );
    nodes.answer = async () => mapOn(B);
    await clock.advance(2000);
    expect(map.isKnown).toBe(true);
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
});
