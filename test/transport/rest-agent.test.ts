import { mkdtempSync, rmSync } from "node:fs";
import * as http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { createAuthClient } from "../../src/client.js";
import { closedAfterEach } from "../support/after-each.js";
import { closedPort, startRawRest } from "../support/raw-upstreams.js";
import * as reply from "./rest-replies.js";

const opened = closedAfterEach();
const TIMEOUT_MS = 30_000;

/** A REST side on a unix socket. */
async function startOnSocket() {
  const folder = mkdtempSync(join(tmpdir(), "portero-"));
  const socketPath = join(folder, "auth.sock");
  const hosts: (string | undefined)[] = [];
  const server = http.createServer((request, response) => {
    hosts.push(request.headers.host);
    request.resume().once("end", () => reply.json(reply.ANA)(response, {} as never));
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  opened({
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  });
  return { socketPath, hosts };
}

test("an agent leads to a unix socket, whatever the URL's host", async () => {
  const { socketPath, hosts } = await startOnSocket();
  const agent = new http.Agent({ socketPath, keepAlive: true } as http.AgentOptions);
  opened({ close: () => agent.destroy() });
  const client = opened(
    createAuthClient({ rest: { url: "http://auth.invalid/base", agent, timeoutMs: TIMEOUT_MS }, logger: false }),
  );
  await client.ready();
  expect(await client.verifyToken("token-ana")).toMatchObject({ user: { id: "ana" }, source: "rest" });
  expect(hosts).toEqual(["auth.invalid"]);
});

test("an agent's connection that was kept and is dead is not taken twice, and it stays its owner's", async () => {
  const rest = opened(await startRawRest(reply.json(reply.ANA)));
  const other = opened(await startRawRest(reply.json(reply.ANA)));
  const agent = new http.Agent({ keepAlive: true });
  opened({ close: () => agent.destroy() });
  const client = createAuthClient({
    rest: { url: rest.url, agent, timeoutMs: TIMEOUT_MS },
    retry: { attempts: 1 },
    logger: false,
  });
  await Promise.all(["a", "b", "c"].map((token) => client.verifyToken(token)));
  await new Promise<void>((resolve, reject) => {
    http.get(other.url, { agent }, (response) => response.resume().once("close", resolve)).once("error", reject);
  });
  const idle = () => Object.entries(agent.freeSockets).flatMap(([name, sockets = []]) => sockets.map(() => name));
  expect(idle()).toHaveLength(4);

  rest.reply = (response) => {
    rest.reply = reply.json(reply.ANA);
    response.socket?.destroy();
  };
  expect(await client.verifyToken("d")).toMatchObject({ source: "rest" });
  expect(client.status().rest?.failures).toBe(0);
  expect(idle().filter((name) => name.includes(`:${other.port}:`))).toHaveLength(1);

  await client.close();
  expect(idle()).toHaveLength(2);
});

test("an agent that leads nowhere is an outage", async () => {
  const agent = new http.Agent({ host: "127.0.0.1", port: await closedPort() } as http.AgentOptions);
  const client = opened(
    createAuthClient({
      rest: { url: "http://127.0.0.1:1", agent, timeoutMs: TIMEOUT_MS },
      retry: { attempts: 1 },
      logger: false,
    }),
  );
  await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });
});
