import { describe, expect, test } from "@jest/globals";
import { BreakerModel } from "./breaker-model.js";
import { Random } from "./random.js";
import { simulateReplicas } from "./replica-simulation.js";
import { simulate } from "./simulation.js";

/** A simulated client reserves the room for its caches when it is made: more seeds take longer than a test may. */
const SEEDS = 100;
const REPLICA_SEEDS = 30;
/** Of worlds that once broke a rule, before there was a log: fresh questions whose turn comes when hardly any of their time is left. */
const FOUND = [21_001_722, 21_004_567];

describe("a simulated world", () => {
  test("keeps every rule of the specification, whatever fails", async () => {
    let [requests, calls, most] = [0, 0, 0];
    const logs = new Set<string>();
    for (const seed of [...FOUND, ...Array.from({ length: SEEDS }, (_, index) => index + 1)]) {
      const report = await simulate(seed, !FOUND.includes(seed));
      const found = report.violations.length === 0 ? undefined : [...report.violations, ...report.lines(40)].join("\n");
      expect({ seed, found }).toEqual({ seed, found: undefined });
      requests += report.requests;
      calls += report.calls;
      most = Math.max(most, report.requests);
      logs.add(report.settings.log);
    }
    expect(requests).toBeGreaterThan(20 * SEEDS);
    expect(calls).toBeGreaterThan(10 * SEEDS);
    expect(most).toBeGreaterThan(1000); // a flood was among them
    expect([...logs].sort()).toEqual(["none", "refused", "stream"]);
  }, 120_000);

  test("of replicas keeps every rule of the specification, whichever of them fail, and wherever names lead", async () => {
    let [requests, extra] = [0, 0];
    for (let seed = 1; seed <= REPLICA_SEEDS; seed++) {
      const report = await simulateReplicas(seed);
      const found = report.violations.length === 0 ? undefined : [...report.violations, ...report.lines(40)].join("\n");
      expect({ seed, found }).toEqual({ seed, found: undefined });
      requests += report.requests;
      extra += report.extra;
    }
    expect(requests).toBeGreaterThan(100 * REPLICA_SEEDS);
    expect(extra).toBeGreaterThan(REPLICA_SEEDS); // questions were put to two
  }, 60_000);

  test("goes the same way again from the same seed", async () => {
    for (const world of [simulate, simulateReplicas]) {
      for (const seed of [4, 77, 83, 2 ** 40 + 5]) {
        const [once, again] = [await world(seed), await world(seed)];
        expect(once.lines(once.events)).toEqual(again.lines(again.events));
        expect(once.events).toBeGreaterThan(20);
      }
    }
  }, 60_000);

  test("goes another way from another seed", async () => {
    const [one, other] = [await simulate(5), await simulate(6)];
    expect(one.lines(one.events)).not.toEqual(other.lines(other.events));
  });
});

describe("the source of randomness", () => {
  test("gives the same numbers for the same seed and stream, and others for others", () => {
    const first = (random: Random) => [random.next(), random.next(), random.int(1000)];
    expect(first(new Random(7, 1))).toEqual(first(new Random(7, 1)));
    expect(first(new Random(7, 1))).not.toEqual(first(new Random(7, 2)));
    expect(first(new Random(7, 1))).not.toEqual(first(new Random(7 + 2 ** 32, 1)));
  });

  test("draws by weight", () => {
    const random = new Random(1);
    const drawn = Array.from({ length: 4000 }, () => random.weighted({ often: 3, seldom: 1, never: 0 }));
    expect(drawn).not.toContain("never");
    expect(drawn.filter((name) => name === "seldom").length / 4000).toBeCloseTo(0.25, 1);
  });
});

describe("the model of a breaker", () => {
  const rules = { failureThreshold: 2, windowMs: 100, recoveryMs: 50 };

  test("opens, lets one probe through, and closes", () => {
    const model = new BreakerModel(rules);
    model.fail(model.admit(0), 10);
    model.fail(model.admit(11), 20);
    expect([model.state(20), model.admits(69), model.state(70)]).toEqual(["open", false, "half-open"]);
    const probe = model.admit(70);
    expect(model.admits(70)).toBe(false);
    model.succeed(probe, 75);
    expect(model.transitions.map(({ to, at }) => [to, at])).toEqual([
      ["open", 20],
      ["half-open", 70],
      ["closed", 75],
    ]);
  });

  test("does not count what lies too far apart, nor what began before the last transition", () => {
    const model = new BreakerModel(rules);
    model.fail(model.admit(0), 0);
    model.fail(model.admit(100), 100);
    expect(model.failures(100)).toBe(1);
    const late = model.admit(101);
    model.fail(model.admit(102), 102);
    model.succeed(late, 103);
    expect(model.state(103)).toBe("open");
  });
});
