import { expect, jest, test } from "@jest/globals";
import { startAuthService } from "../../src/testing.js";
import { settle } from "../support/manual-clock.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { type Answer, askAtOnce, openCaller } from "./caller.js";
import { record } from "./ledger.js";
import { opened } from "./opened.js";
import { everybody } from "./people.js";
import { SkippingClock } from "./skipping-clock.js";

jest.setTimeout(30_000);

const IDLE_MS = 10_000;
const POOL = 5;

test.each([
  ["one after the other", false],
  ["at once", true],
])("A balancer that forgets quiet connections of REST costs no call that comes after: %s", async (name, atOnce) => {
  const service = opened(await startAuthService({ users: everybody() }));
  const network = opened(await startTcpProxy(Number(new URL(service.rest.url).port)));
  const clock = new SkippingClock();
  const caller = opened(
    await openCaller({ rest: { url: network.url, timeoutMs: 1000 }, retry: { attempts: 1 }, clock }),
  );
  const askMany = () => Promise.all(Array.from({ length: POOL }, () => askAtOnce(caller)));
  expect((await askMany()).map(({ source }) => source)).toEqual(Array.from({ length: POOL }, () => "rest"));
  const during: Answer[] = [];
  for (let quietTime = 1; quietTime <= 3; quietTime++) {
    await settle();
    clock.skip(IDLE_MS);
    network.strike({ kind: "black hole" });
    network.heal(); // for new connections
    if (atOnce) during.push(...(await askMany()));
    else for (let call = 0; call < POOL; call++) during.push(await askAtOnce(caller));
  }
  record(
    "REST",
    `REST alone, a balancer that forgets its connections in each of 3 quiet times, ${POOL} calls ${name}`,
    during,
  );
  expect(during.map(({ status, source }) => `${status} ${source}`)).toEqual(
    Array.from({ length: 3 * POOL }, () => "200 rest"),
  );
  expect(caller.client.status().rest).toMatchObject({ breaker: "closed", failures: 0 });
});
