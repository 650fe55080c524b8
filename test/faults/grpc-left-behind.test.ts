import { describe, expect, jest, test } from "@jest/globals";
import { startAuthService } from "../../src/testing.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { type Answer, type Caller, openCaller } from "./caller.js";
import { readCertificates } from "./certificates.js";
import { startGrpcServer } from "./grpc-server.js";
import { opened } from "./opened.js";
import { everybody } from "./people.js";

jest.setTimeout(30_000);

/** The breaker never opens: what is seen is the work of the session alone. */
const GRPC_ALONE = { retry: { attempts: 1 }, breaker: { failureThreshold: 1000 } };
/** Calls in a row without a byte after which a connection is given up. */
const SILENT_CALLS = 3;

async function askInARow(caller: Caller, times: number): Promise<Answer[]> {
  const answers: Answer[] = [];
  while (answers.length < times) answers.push(await caller.ask());
  return answers;
}

const statuses = (answers: readonly Answer[]) => answers.map(({ status, source }) => [status, source]);
const OUTAGE = [503, undefined];
const GRPC = [200, "grpc"];

describe("a connection of which the network swallows everything", () => {
  test("is left behind after three calls in a row: the next one is answered, on a connection of its own", async () => {
    const service = opened(await startAuthService({ users: everybody() }));
    const network = opened(await startTcpProxy(Number(new URL(service.grpc.url).port)));
    const caller = opened(await openCaller({ ...GRPC_ALONE, grpc: { url: network.url } }));
    expect(statuses(await askInARow(caller, 1))).toEqual([GRPC]);

    network.strike({ kind: "black hole" });
    network.heal(); // for new connections
    expect(statuses(await askInARow(caller, SILENT_CALLS + 1))).toEqual([OUTAGE, OUTAGE, OUTAGE, GRPC]);
    expect(network.connections).toBe(2);
  });

  test("is left behind also while it is still being made", async () => {
    const { ca, ...tls } = readCertificates();
    const server = opened(await startGrpcServer({ tls }));
    const network = opened(await startTcpProxy(server.port, "https"));
    const caller = opened(await openCaller({ ...GRPC_ALONE, grpc: { url: network.url, tls: { ca } } }));

    network.strike({ kind: "black hole" });
    const [first] = statuses(await askInARow(caller, 1));
    network.heal(); // for new connections
    const others = statuses(await askInARow(caller, SILENT_CALLS));
    expect([first, ...others]).toEqual([OUTAGE, OUTAGE, OUTAGE, GRPC]);
    expect(network.connections).toBe(2);
  });

  test("is left behind by callers who ask all at once, and they drop it once", async () => {
    const service = opened(await startAuthService({ users: everybody() }));
    const network = opened(await startTcpProxy(Number(new URL(service.grpc.url).port)));
    const caller = opened(await openCaller({ ...GRPC_ALONE, grpc: { url: network.url } }));
    await caller.ask();

    network.strike({ kind: "black hole" });
    network.heal(); // for new connections
    const lost = await Promise.all(Array.from({ length: 20 }, () => caller.ask()));
    const found = await Promise.all(Array.from({ length: 20 }, () => caller.ask()));
    expect([...new Set(lost.map(({ status }) => status))]).toEqual([503]);
    expect([...new Set(found.map(({ source }) => source))]).toEqual(["grpc"]);
    expect(network.connections).toBe(2);
  });
});

test("A connection on which some calls are answered is kept, however many are not", async () => {
  const service = opened(await startAuthService({ users: everybody() }));
  const network = opened(await startTcpProxy(Number(new URL(service.grpc.url).port)));
  const caller = opened(await openCaller({ ...GRPC_ALONE, grpc: { url: network.url } }));
  for (let round = 0; round < 2; round++) {
    service.grpc.allow();
    expect(statuses(await askInARow(caller, 1))).toEqual([GRPC]);
    service.grpc.hang();
    expect(statuses(await askInARow(caller, SILENT_CALLS - 1))).toEqual([OUTAGE, OUTAGE]);
  }
  expect(network.connections).toBe(1);
});
