// Replicas of the auth service, in one process of their own: at 127.0.0.1, 127.0.0.2 and so on, all on the same port; and REST beside them.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { expose } from "../kit/process.js";
import { Stalls } from "../kit/stalls.js";
import { subjectOf } from "../kit/tokens.js";
import { type ReplicaFault, ReplicaServer, type Rotation } from "../replicas/replica-server.js";

export interface ReplicaServersOptions {
  readonly count: number;
  /** How long every answer takes, in milliseconds. */
  readonly delayMs: number;
}

export type ReplicaServersProcess = ReturnType<typeof methodsOf>;

/** Another process may have the port at one of the addresses. */
const PORTS_TO_TRY = 10;

await expose<ReplicaServersOptions, ReplicaServersProcess>(async ({ count, delayMs }) => {
  const all = Array.from({ length: count }, (_, at) => new ReplicaServer(`127.0.0.${at + 1}`, delayMs));
  const rest = createServer(async (request, response) => {
    const { token } = (await json(request)) as { token: string };
    const { sub: user_id, org: organization_id, email, permissions, locals } = subjectOf(token)!;
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ user_id, organization_id, email, permissions, locals, is_active: true }));
  }).listen(0, "127.0.0.1");
  await once(rest, "listening");
  return methodsOf(all, await startAll(all), `http://127.0.0.1:${(rest.address() as AddressInfo).port}`);
});

async function startAll(all: readonly ReplicaServer[]): Promise<number> {
  for (let tries = 1; ; tries++) {
    let port = 0;
    try {
      for (const replica of all) port = await replica.start(port);
      return port;
    } catch (error) {
      if (tries === PORTS_TO_TRY) throw error;
      await Promise.all(all.map((replica) => replica.stop()));
    }
  }
}

function methodsOf(all: readonly ReplicaServer[], port: number, restUrl: string) {
  const stalls = new Stalls();
  const of = (replica: number) => all[replica] as ReplicaServer;
  return {
    addresses: () => ({ port, restUrl, hosts: all.map(({ host }) => host) }),
    strike: ({ replica, fault }: { replica: number; fault: ReplicaFault }) => of(replica).strike(fault),
    heal: (replica: number) => of(replica).heal(port),
    start: async (replica: number): Promise<void> => void (await of(replica).start(port)),
    stop: ({ replica, graceMs = 0 }: { replica: number; graceMs?: number }) => of(replica).stop(graceMs),
    rotate(rotation: Rotation | undefined): void {
      for (const replica of all) replica.rotate(rotation);
    },
    /** The calls of a crowd that came to each replica since the last time. */
    takeCalls(crowd: number): number[] {
      return all.map(({ calls }) => {
        const came = calls.get(crowd) ?? 0;
        calls.delete(crowd);
        return came;
      });
    },
    /** For how long the process could do nothing, at worst, since the last time. */
    takeStall: () => stalls.take(),
    backAfter: ({ replica, crowd }: { replica: number; crowd: number }): number => of(replica).backAfter(crowd),
  };
}
