// A client under a flood, in a process of its own. Other processes make the load; what is measured is `client.verifyToken`.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type AuthClient, type AuthClientOptions, createAuthClient, requireAuth } from "portero";
import { type FloodReport, Notes, type Visit } from "../flood/notes.js";
import { expose } from "../kit/process.js";
import { Stalls } from "../kit/stalls.js";

export type FloodedClientProcess = ReturnType<typeof methodsOf>;

const SAMPLED_EVERY_MS = 500;

await expose<AuthClientOptions, FloodedClientProcess>(async (options) => {
  const client = createAuthClient({ ...options, logger: false });
  await client.ready();
  return methodsOf(client);
});

function methodsOf(client: AuthClient) {
  let noted = new Notes();
  const stalls = new Stalls();
  const underWay = new Set<Promise<void>>();
  client.on("breaker", ({ to }) => {
    if (to === "open") noted.opened++;
  });
  const sampling = setInterval(() => noted.sample(client.status().upstream), SAMPLED_EVERY_MS);
  sampling.unref();
  return {
    /** From now on times are counted. Whatever was noted before is forgotten. */
    begin(): void {
      noted = new Notes();
      stalls.take();
    },
    /** Asks about each, one after the other, until it is answered. */
    async meet(visits: readonly Pick<Visit, "token">[]): Promise<void> {
      for (const { token } of visits) while (!(await client.verifyToken(token).catch(() => undefined)));
    },
    /** Requests that come at the same moment. */
    send(visits: readonly Visit[]): void {
      for (const visit of visits) {
        const asked = noted.note(visit, client.verifyToken(visit.token, { fresh: visit.fresh ?? false }));
        underWay.add(asked);
        void asked.finally(() => underWay.delete(asked));
      }
    },
    /** Opens a route that asks the service about each request; resolves to its URL. */
    async serve(): Promise<string> {
      const guard = requireAuth({ client, fresh: true });
      const server = createServer((request, response) => {
        guard(request as never, response as never, () => void response.end());
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    },
    /** When all that is under way has ended, or so many milliseconds are over. */
    async report(withinMs: number): Promise<FloodReport> {
      const taken = noted;
      await Promise.race([Promise.all(underWay), sleep(withinMs)]);
      const { moments, samples, wrong, opened } = taken;
      return { moments, samples, wrong, opened, stalledMs: stalls.take() };
    },
  };
}
