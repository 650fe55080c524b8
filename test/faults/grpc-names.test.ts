import { connect, createServer } from "node:net";
import { expect, jest, test } from "@jest/globals";
import { startAuthService } from "../../src/testing.js";
import { eventually } from "../support/eventually.js";
import { type Answer, askAtOnce, openCaller } from "./caller.js";
import { describeWithHostsFile, openHostsFile } from "./hosts-file.js";
import { record } from "./ledger.js";
import { opened } from "./opened.js";
import { everybody } from "./people.js";

jest.setTimeout(30_000);

const NAME = "replicas.portero.test";
const HOSTS = ["127.0.0.1", "127.0.0.2", "127.0.0.3"] as const;

/** An auth service at that address; `leave` ends its connections, as a server that goes. */
async function startAt(host: string, port: number) {
  const service = opened(await startAuthService({ users: everybody() }));
  const target = Number(new URL(service.grpc.url).port);
  const pairs = new Set<{ destroy(): unknown }>();
  const server = createServer((inbound) => {
    const outbound = connect(target, "127.0.0.1");
    for (const socket of [inbound, outbound]) {
      pairs.add(socket);
      socket.on("error", () => undefined);
      socket.once("close", () => pairs.delete(socket));
    }
    inbound.pipe(outbound).pipe(inbound);
  });
  const bound = await new Promise<number>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host }, () => resolve((server.address() as { port: number }).port));
  });
  const leave = () => {
    server.close();
    for (const socket of pairs) socket.destroy();
  };
  opened({ close: leave });
  return { service, port: bound, leave };
}

/** On one port, which another process may have at one of the addresses. */
async function startAll() {
  for (;;) {
    const first = await startAt(HOSTS[0], 0);
    try {
      return [first, await startAt(HOSTS[1], first.port), await startAt(HOSTS[2], first.port)] as const;
    } catch {
      first.leave();
    }
  }
}

describeWithHostsFile("A name that the machine resolves", () => {
  test("leads to all of its addresses: one that comes is used, and one that goes loses no call", async () => {
    const replicas = await startAll();
    const [first, second, third] = replicas;
    const names = opened(openHostsFile());
    names.set(NAME, HOSTS.slice(0, 2));
    const grpc = { url: `http://${NAME}:${first.port}`, timeoutMs: 5000 };
    const caller = opened(await openCaller({ grpc, rest: first.service.upstreams.rest }));
    await caller.client.ready();
    const during: Answer[] = [];
    const ask = async (times: number) => {
      for (let time = 0; time < times; time++) during.push(await askAtOnce(caller));
    };
    const addresses = () => caller.client.status().grpc?.replicas?.map(({ address }) => address.split(":")[0]);
    await ask(20);
    expect(addresses()).toEqual(HOSTS.slice(0, 2));
    expect([first, second, third].map(({ service }) => service.grpc.calls.total > 0)).toEqual([true, true, false]);

    names.set(NAME, HOSTS.slice(1));
    first.leave(); // its name is looked up again with the end of its connections
    await eventually(async () => {
      await ask(4);
      return addresses()?.join() === HOSTS.slice(1).join();
    }, "the one that went is given up, and the one that came is used");
    await ask(20);
    expect(third.service.grpc.calls.total).toBeGreaterThan(5);
    record("gRPC", "a name whose addresses change, one replica going while another comes", during);
    expect(new Set(during.map(({ status, source }) => `${status} ${source}`))).toEqual(new Set(["200 grpc"]));
  });
});
