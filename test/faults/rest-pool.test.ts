import { setImmediate } from "node:timers/promises";
import { describe, expect, jest, test } from "@jest/globals";
import { eventually } from "../support/eventually.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { askAtOnce, type Caller, openCaller } from "./caller.js";
import { recovery } from "./endure.js";
import { record } from "./ledger.js";
import { opened } from "./opened.js";
import { startRestFront } from "./rest-front.js";

jest.setTimeout(30_000);

const POOL = 10;

/** REST alone, behind a network, and one try for each question: nothing hides behind a second one. */
async function startPool() {
  const rest = opened(await startRestFront());
  const network = opened(await startTcpProxy(Number(new URL(rest.url).port)));
  const caller = opened(await openCaller({ rest: { url: network.url, timeoutMs: 300 }, retry: { attempts: 1 } }));
  const held: (() => void)[] = [];
  /** As many questions, which the REST side has got and has not answered. */
  const askMany = async () => {
    rest.strike((response, answer) => void held.push(() => response.writeHead(200).end(answer)));
    const answers = Promise.all(Array.from({ length: POOL }, () => askAtOnce(caller)));
    await eventually(() => held.length === POOL, "all are asked");
    rest.heal();
    return { answers };
  };
  /** As many connections that are kept, and idle. */
  const keep = async () => {
    const { answers } = await askMany();
    for (const answer of held.splice(0)) answer();
    expect(statusesOf(await answers)).toEqual(new Set([200]));
    await setImmediate(); // Node puts a connection back a turn after its answer
    expect(network.standing).toBe(POOL);
  };
  return { network, caller, askMany, keep };
}

const statusesOf = (answers: readonly { status: number }[]) => new Set(answers.map(({ status }) => status));
const restOf = ({ client }: Caller) => client.status().rest;

describe(`${POOL} connections of a REST server that are reset at once, with requests on them`, () => {
  test("were kept: nobody notices", async () => {
    const { network, caller, askMany, keep } = await startPool();
    await keep();
    const { answers } = await askMany();
    network.cut();
    const during = await answers;
    const { backMs } = await recovery(caller, "rest");
    record("REST", `${POOL} kept connections reset at once`, during, { on: "REST", ms: backMs });
    expect(statusesOf(during)).toEqual(new Set([200]));
    expect(caller.transitions).toEqual([]);
  });

  test("were made for them: those fail, and the next question is answered", async () => {
    const { network, caller, askMany } = await startPool();
    const { answers } = await askMany();
    network.cut();
    const during = await answers;
    expect(statusesOf(during)).toEqual(new Set([503]));
    expect(restOf(caller)).toMatchObject({ breaker: "closed", failures: 1 });
    const next = await caller.ask();
    record("REST", `${POOL} new connections reset at once`, during, { on: "REST", ms: next.tookMs });
    expect(next).toMatchObject({ status: 200, source: "rest" });
    expect(caller.transitions).toEqual([]);
  });
});

test("A pool of connections that lead nowhere any more, and new ones that do: one question is lost", async () => {
  const { network, caller, keep } = await startPool();
  await keep();
  network.strike({ kind: "black hole" });
  network.heal();
  const during = [await caller.ask()];
  expect(during).toMatchObject([{ status: 503 }]);
  const { backMs } = await recovery(caller, "rest");
  record("REST", `${POOL} kept connections to a backend that hangs, new ones to another`, during, {
    on: "REST",
    ms: backMs,
  });
  for (let call = 0; call < 2 * POOL; call++) expect(await caller.ask()).toMatchObject({ status: 200 });
  expect(caller.transitions).toEqual([]);
});
