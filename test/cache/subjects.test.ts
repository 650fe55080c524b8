import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { readConfig } from "../../src/auth/config/config.js";
import type { AuthClient } from "../../src/client.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";

const LONG = "x".repeat(300);

async function start(users: Record<string, { id: string; organizationId?: string }>) {
  const service = await startService({ users });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const client = openClient(service, { clock, cache: { store } });
  for (const token of Object.keys(users)) await client.verifyToken(token);
  await settle();
  const held = (by: AuthClient = client) => Object.keys(users).filter((token) => by.peekToken(token));
  return { service, clock, store, client, held };
}

describe("The invalidation of", () => {
  test("a user whose id is long forgets that one, and none whose id is as long", async () => {
    const users = { "token-ana": { id: `${LONG}a` }, "token-ben": { id: `${LONG}b` } };
    const { client, held } = await start(users);
    await client.invalidateUser({ userId: `${LONG}a`, organizationId: "org-1" });
    expect(held()).toEqual(["token-ben"]);
  });

  test.each(['["org-1","ana"]', 'user:["org-1","ana"]', "ana"])(
    "the organization %s forgets no user",
    async (organizationId) => {
      const { client, held } = await start({ "token-ana": { id: "ana" } });
      await client.invalidateOrganization(organizationId);
      expect(held()).toEqual(["token-ana"]);
    },
  );
});

test("A tombstone lies in the store as version 0.1.0 reads it: from when it holds, until when, and nothing else.", async () => {
  const { service, clock, store, client } = await start({ "token-ana": { id: "ana" } });
  await client.invalidateUser({ userId: "ana", organizationId: "org-1" });
  const { identity } = readConfig({ ...service.upstreams, cache: { store } }).cache;
  for (const [kind, id] of [
    ["user-invalidated", '["org-1","ana"]'],
    ["any-user-invalidated", ""],
  ] as const) {
    const [key] = store.keys(kind);
    const digest = createHash("sha256")
      .update(JSON.stringify([identity, kind, id]))
      .digest("base64url");
    expect(key).toBe(`portero:1:${kind}:${digest}`);
    const { askedAt, expiresAt, value } = JSON.parse(String(store.texts.get(key as string)));
    expect(value).toBe(true);
    expect(askedAt - clock.now()).toBeCloseTo(0, 1);
    expect(expiresAt - askedAt).toBe(24 * 3_600_000 + 60_000);
  }
});
