import { describe, expect, test } from "@jest/globals";
import { chooseSeats } from "../../src/transport/address-choice.js";
import { Addresses } from "../../src/transport/addresses.js";
import { ManualClock, settle } from "../support/manual-clock.js";

const REFRESH_MS = 29_000;

interface Asked {
  readonly hostname: string;
  tell(...addresses: string[]): Promise<void>;
  fail(code: string): Promise<void>;
}

function create(...urls: string[]) {
  const clock = new ManualClock();
  const asked: Asked[] = [];
  let changes = 0;
  const addresses = new Addresses({
    urls,
    clock,
    random: () => 0.5,
    onChange: () => changes++,
    lookup: (hostname) =>
      new Promise((resolve, reject) => {
        asked.push({
          hostname,
          tell: (...found) => {
            resolve(found.map((address) => ({ address })));
            return settle();
          },
          fail: (code) => {
            reject(Object.assign(new Error("no"), { code }));
            return settle();
          },
        });
      }),
  });
  const names = () => addresses.current.map(({ name }) => name);
  /** What the name server says when it is asked next. */
  const next = async (...found: string[]) => {
    const before = asked.length;
    await clock.advance(REFRESH_MS);
    expect(asked).toHaveLength(before + 1);
    await asked.at(-1)?.tell(...found);
    return names();
  };
  /** The first answer. */
  const begin = async (...found: string[]) => {
    const first = addresses.first();
    await asked[0]?.tell(...found);
    await first;
    return names();
  };
  return { clock, asked, addresses, names, next, begin, changes: () => changes };
}

describe("Addresses", () => {
  test("that are IP addresses are never looked up, and need no timer", async () => {
    const { clock, asked, addresses, names } = create("http://10.0.0.1:50051", "https://[::1]");
    expect(names()).toEqual(["10.0.0.1:50051", "[::1]:443"]);
    await addresses.first();
    addresses.refresh();
    await clock.advance(10 * REFRESH_MS);
    expect([asked.length, clock.pending, addresses.canChange]).toEqual([0, 0, false]);
  });

  test("are looked up with the first call, together for all that wait, and then every half a minute", async () => {
    const { clock, asked, addresses, names, next } = create("http://auth:50051");
    await clock.advance(REFRESH_MS);
    expect(asked).toHaveLength(0);
    const waiting = [addresses.first(), addresses.first()];
    await asked[0]?.tell("10.0.0.1", "10.0.0.2");
    await Promise.all(waiting);
    expect([asked.length, names()]).toEqual([1, ["10.0.0.1:50051", "10.0.0.2:50051"]]);
    expect(await next("10.0.0.2", "10.0.0.1", "10.0.0.3")).toEqual([
      "10.0.0.1:50051",
      "10.0.0.2:50051",
      "10.0.0.3:50051",
    ]);
  });

  test.each([
    [0, 0.8],
    [0.999_999, 1.2],
  ])("are looked up between 23 and 35 s after the last time: with %s after %s of the time", async (random, part) => {
    const clock = new ManualClock();
    let asked = 0;
    const lookup = async () => {
      asked++;
      return [{ address: "10.0.0.1" }];
    };
    const addresses = new Addresses({ urls: ["http://auth"], clock, random: () => random, onChange() {}, lookup });
    await addresses.first();
    await clock.advance(REFRESH_MS * part - 1);
    expect(asked).toBe(1);
    await clock.advance(1);
    expect(asked).toBe(2);
  });

  test("leave when two answers in a row lack them: a name server that tells a part now and then takes none away", async () => {
    const { begin, next, changes } = create("http://auth:1");
    await begin("10.0.0.1", "10.0.0.2", "10.0.0.3");
    for (const part of [["10.0.0.1"], ["10.0.0.2", "10.0.0.3"], ["10.0.0.1"], ["10.0.0.3", "10.0.0.2"]]) {
      expect(await next(...part)).toHaveLength(3);
    }
    expect(changes()).toBe(1);
    await next("10.0.0.3");
    expect(await next("10.0.0.3")).toEqual(["10.0.0.3:1"]);
    expect(changes()).toBe(3); // one after the other
  });

  test("that flip families are all kept, and a family that is gone leaves", async () => {
    const { begin, next } = create("http://auth:1");
    await begin("10.0.0.1");
    for (const one of ["fd00::1", "10.0.0.1", "fd00::1"])
      expect(await next(one)).toEqual(["10.0.0.1:1", "[fd00::1]:1"]);
    expect(await next("fd00::1")).toEqual(["[fd00::1]:1"]);
  });

  test.each(["ENOTFOUND", "EAI_AGAIN"])("stay when a look-up fails: %s, and after an empty answer", async (code) => {
    const { clock, asked, names, begin, next, changes } = create("http://auth:1");
    await begin("10.0.0.1");
    for (let time = 0; time < 5; time++) {
      await clock.advance(REFRESH_MS);
      await asked.at(-1)?.fail(code);
      expect(await next()).toEqual(["10.0.0.1:1"]);
    }
    expect([names(), changes()]).toEqual([["10.0.0.1:1"], 1]);
  });

  test("that cannot be had are said so, and are asked for once a second at most", async () => {
    const { clock, asked, addresses, names } = create("http://auth:1");
    const first = addresses.first();
    await asked[0]?.fail("ENOTFOUND");
    await expect(first).rejects.toMatchObject({ code: "ENOTFOUND" });
    for (let call = 0; call < 5; call++) await expect(addresses.first()).rejects.toMatchObject({ code: "ENOTFOUND" });
    expect(asked).toHaveLength(1);
    await clock.advance(1000);
    const second = addresses.first();
    await asked[1]?.tell("10.0.0.1");
    await second;
    expect(names()).toEqual(["10.0.0.1:1"]);
  });

  test("are looked up at once when a connection ends, but once a second at most", async () => {
    const { clock, asked, addresses, begin } = create("http://auth:1");
    addresses.refresh();
    await clock.advance(10_000);
    expect(asked).toHaveLength(0); // no call has come yet
    await begin("10.0.0.1");
    await clock.advance(5000);
    for (let end = 0; end < 10; end++) addresses.refresh();
    await clock.advance(0);
    expect(asked).toHaveLength(2);
    await asked[1]?.tell("10.0.0.1");
    for (let end = 0; end < 10; end++) addresses.refresh();
    await clock.advance(999);
    expect(asked).toHaveLength(2);
    await clock.advance(1);
    expect(asked).toHaveLength(3);
  });

  test("are looked up once more when a connection ends during a look-up: its answer may be from before", async () => {
    const { clock, asked, addresses, begin } = create("http://auth:1");
    await begin("10.0.0.1");
    await clock.advance(REFRESH_MS);
    addresses.refresh();
    await asked[1]?.tell("10.0.0.1");
    await clock.advance(1000);
    expect(asked).toHaveLength(3);
  });

  test("of several hosts are looked up in turn, one at a time, and the first one is enough for calls", async () => {
    const { asked, addresses, names } = create("http://a:1", "http://b:1");
    const first = addresses.first();
    expect(asked.map(({ hostname }) => hostname)).toEqual(["a"]);
    await asked[0]?.tell("10.0.0.1");
    await first;
    expect(asked.map(({ hostname }) => hostname)).toEqual(["a", "b"]);
    await asked[1]?.tell("10.0.0.2");
    expect(names()).toEqual(["10.0.0.1:1", "10.0.0.2:1"]);
  });

  test("of a name beside an IP address are looked up, too", async () => {
    const { asked, addresses, names } = create("http://10.0.0.9:1", "http://a:1");
    await addresses.first();
    addresses.begin();
    addresses.begin();
    await asked[0]?.tell("10.0.0.1");
    expect([asked.length, names()]).toEqual([1, ["10.0.0.9:1", "10.0.0.1:1"]]);
  });

  test("that two URLs have in common are two: they are named differently, and asked for differently", async () => {
    const { asked, addresses, names } = create("http://a:1", "http://b:1");
    void addresses.first();
    await asked[0]?.tell("10.0.0.1");
    await asked[1]?.tell("10.0.0.1");
    expect(names()).toEqual(["10.0.0.1:1", "10.0.0.1:1"]);
  });
});

describe("A look-up that hangs", () => {
  test("is not waited for after 5 s, nor made again before it ends; the other hosts are looked up", async () => {
    const { clock, asked, addresses, names } = create("http://a:1", "http://b:1");
    const first = addresses.first();
    await clock.advance(4999);
    expect(asked.map(({ hostname }) => hostname)).toEqual(["a"]);
    await clock.advance(1);
    expect(asked.map(({ hostname }) => hostname)).toEqual(["a", "b"]);
    await asked[1]?.tell("10.0.0.2");
    await first;
    for (let round = 0; round < 3; round++) {
      await clock.advance(REFRESH_MS);
      await asked.at(-1)?.tell("10.0.0.2");
    }
    expect(asked.map(({ hostname }) => hostname)).toEqual(["a", "b", "b", "b", "b"]);
    await asked[0]?.tell("10.0.0.1"); // late
    expect(names()).toEqual(["10.0.0.1:1", "10.0.0.2:1"]);
    await clock.advance(REFRESH_MS);
    expect(asked.at(-1)?.hostname).toBe("a");
  });

  test("of the only host lets calls go after 5 s, and those that come later at once", async () => {
    const { clock, asked, addresses } = create("http://a:1");
    const first = expect(addresses.first()).rejects.toMatchObject({ code: "EAI_AGAIN" });
    await clock.advance(5000);
    await first;
    await clock.advance(2000);
    await expect(addresses.first()).rejects.toMatchObject({ code: "EAI_AGAIN" });
    expect(asked).toHaveLength(1);
  });

  test("is not waited for when all is closed, and its answer changes nothing", async () => {
    const { clock, asked, addresses, names, changes } = create("http://a:1");
    const first = expect(addresses.first()).rejects.toMatchObject({ code: "EAI_AGAIN" });
    addresses.close();
    await first;
    expect(clock.pending).toBe(0);
    await asked[0]?.tell("10.0.0.1");
    await clock.advance(2 * REFRESH_MS);
    expect([asked.length, names(), changes()]).toEqual([1, [], 0]);
  });
});

describe("Connections", () => {
  const BOUNDS = { min: 2, max: 8 };
  const addressesOf = (count: number) =>
    Array.from({ length: count }, (_, at) => {
      return { url: new URL("http://auth:1"), host: `10.0.0.${at}`, name: `10.0.0.${at}:1` };
    });
  const hostsOf = (count: number, bounds = BOUNDS, seed = "seed") =>
    chooseSeats(addressesOf(count), bounds, seed).map(({ address }) => address.host);

  test.each([
    [0, BOUNDS, 0],
    [1, BOUNDS, 2],
    [2, BOUNDS, 2],
    [5, BOUNDS, 5],
    [8, BOUNDS, 8],
    [20, BOUNDS, 8],
    [1, { min: 1, max: 8 }, 1],
    [3, { min: 8, max: 8 }, 8],
    [3, { min: 8, max: 2 }, 2],
  ])("to %i addresses, within %j, are %i", (count, bounds, expected) => {
    expect(hostsOf(count, bounds)).toHaveLength(expected);
  });

  test("beyond the addresses are shared evenly, and each has a key of its own", () => {
    expect(hostsOf(3, { min: 7, max: 8 }).map((host) => host.at(-1))).toEqual(["0", "1", "2", "0", "1", "2", "0"]);
    expect(new Set(chooseSeats(addressesOf(3), { min: 7, max: 8 }, "").map(({ key }) => key)).size).toBe(7);
  });

  test("to more addresses than are used differ from process to process, and cover all of them evenly", () => {
    const uses = new Map<string, number>();
    for (let process = 0; process < 1000; process++) {
      for (const host of hostsOf(20, BOUNDS, String(process))) uses.set(host, (uses.get(host) ?? 0) + 1);
    }
    expect(uses.size).toBe(20);
    for (const count of uses.values()) expect(Math.abs(count - 400)).toBeLessThan(70);
  });

  test("stay where they are when an address leaves or comes, but for its own", () => {
    const before = chooseSeats(addressesOf(20), BOUNDS, "seed");
    for (let gone = 0; gone < 20; gone++) {
      const rest = addressesOf(20).filter((_, at) => at !== gone);
      const after = new Set(chooseSeats(rest, BOUNDS, "seed").map(({ key }) => key));
      const left = before.filter(({ key }) => !after.has(key));
      expect(left.map(({ address }) => address.host)).toEqual(
        before.some(({ address }) => address.host === `10.0.0.${gone}`) ? [`10.0.0.${gone}`] : [],
      );
    }
  });
});
