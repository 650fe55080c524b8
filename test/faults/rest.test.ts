import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { type AuthProcess, startAuthProcess } from "./auth-process.js";
import { openCaller } from "./caller.js";
import { endure } from "./endure.js";
import { expectBackWithFirstProbe, expectOutage } from "./expectations.js";
import { record } from "./ledger.js";
import { opened } from "./opened.js";
import { BROKEN, BUSY, redirectTo, UNREACHABLE } from "./rest-faults.js";
import { startRestFront } from "./rest-front.js";

jest.setTimeout(30_000);

describe("a REST server, alone, that is", () => {
  let rest: AuthProcess;
  beforeAll(async () => {
    rest = await startAuthProcess();
  });
  beforeEach(() => rest.revive());
  afterAll(() => rest.close());

  const FAULTS = [
    { name: "killed, then started again", strike: () => rest.kill(), heal: () => rest.restart() },
    { name: "paused, then resumed", strike: () => rest.pause(), heal: () => rest.resume() },
  ];

  test.each(FAULTS)("$name: 503 for whom nobody remembers, and the first probe after it finds it", async (fault) => {
    const caller = opened(await openCaller({ rest: { url: rest.rest.url } }));
    const endured = await endure(caller, { ...fault, servedBy: "rest", opens: "rest" });
    record("REST", fault.name, endured.during, { on: "REST", ms: endured.backMs });
    expectOutage(endured.during);
    expectBackWithFirstProbe(endured);
  });
});

describe("a REST server, alone, that answers with", () => {
  test.each(Object.entries(UNREACHABLE))(
    "%s: 503 for whom nobody remembers, and the first probe after it finds it",
    async (name, fault) => {
      const rest = opened(await startRestFront());
      const caller = opened(await openCaller({ rest: { url: rest.url, timeoutMs: 300 } }));
      const endured = await endure(caller, {
        strike: () => rest.strike(fault),
        heal: () => rest.heal(),
        servedBy: "rest",
        opens: "rest",
      });
      record("REST", name, endured.during, { on: "REST", ms: endured.backMs });
      expectOutage(endured.during);
      expectBackWithFirstProbe(endured);
    },
  );

  test.each(Object.entries({ ...BROKEN, ...BUSY }))(
    "%s: 503 for whom nobody remembers, each asked once, and the next answer after it is good",
    async (name, fault) => {
      const rest = opened(await startRestFront());
      const caller = opened(await openCaller({ rest: { url: rest.url } }));
      let [before, after] = [0, 0];
      const endured = await endure(caller, {
        strike: () => {
          before = rest.requests;
          rest.strike(fault);
        },
        heal: () => {
          after = rest.requests;
          rest.heal();
        },
        servedBy: "rest",
      });
      record("REST", name, endured.during, { on: "REST", ms: endured.backMs });
      expectOutage(endured.during);
      expect(after - before).toBe(endured.during.filter(({ token }) => token !== "known").length);
      expect(caller.transitions).toEqual([]);
      expect(rest.requests - after).toBe(1);
    },
  );

  test("a redirect: 503 for whom nobody remembers, and no token goes where it leads", async () => {
    const rest = opened(await startRestFront());
    const elsewhere = opened(await startRestFront()); // it would answer
    const caller = opened(await openCaller({ rest: { url: rest.url } }));
    const endured = await endure(caller, {
      strike: () => rest.strike(redirectTo(elsewhere.url)),
      heal: () => rest.heal(),
      servedBy: "rest",
    });
    record("REST", "a redirect", endured.during, { on: "REST", ms: endured.backMs });
    expectOutage(endured.during);
    expect(elsewhere.requests).toBe(0);
    expect(caller.transitions).toEqual([]);
  });

  test("429 with Retry-After past the deadline: no question is asked again, and callers are told", async () => {
    const rest = opened(await startRestFront());
    const caller = opened(await openCaller({ rest: { url: rest.url } }));
    rest.strike(BUSY["429 with Retry-After"]);
    const answers = await Promise.all(Array.from({ length: 10 }, () => caller.ask()));
    expect(rest.requests).toBe(10);
    expect(new Set(answers.map(({ status, retryAfter }) => `${status} ${retryAfter}`))).toEqual(new Set(["503 7"]));
    expect(caller.transitions).toEqual([]);
  });
});
