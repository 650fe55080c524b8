import { describe, expect, test } from "@jest/globals";
import type { DirectoryOptions } from "../../src/testing.js";
import { openClient, startService } from "../support/open-client.js";

const tokens = (count: number) => Array.from({ length: count }, (_, n) => `token-${n}`);

async function serviceOf(count: number, text = "") {
  return startService({
    users: Object.fromEntries(tokens(count).map((token) => [token, { id: token, email: `${text}@example.com` }])),
  });
}

describe("The process cache", () => {
  test("holds maxEntries at most, and lets go of the least recently used one", async () => {
    const service = await serviceOf(4);
    const client = openClient(service, { cache: { maxEntries: 3 } });
    for (const token of tokens(3)) await client.verifyToken(token);
    expect(client.peekToken("token-0")?.user.id).toBe("token-0"); // and now the second one is the oldest
    await client.verifyToken("token-3");
    expect(client.status().cache.entries).toBe(3);
    expect(tokens(4).filter((token) => client.peekToken(token))).toEqual(["token-0", "token-2", "token-3"]);
  });

  test("counts tokens, locals, permissions and organizations together", async () => {
    const service = await startService({ users: { "token-ana": { id: "ana" } }, organizations: { "org-1": {} } });
    const client = openClient(service, { cache: { maxEntries: 2 } });
    const ana = { userId: "ana", organizationId: "org-1" };
    await client.verifyToken("token-ana");
    await client.getUserLocals(ana);
    await client.getUserPermissions(ana);
    await client.getOrganization("org-1");
    expect(client.status().cache.entries).toBe(2);
    expect(client.peekToken("token-ana")).toBeUndefined();
  });

  test("holds maxBytes at most", async () => {
    const service = await serviceOf(20, "x".repeat(1000));
    const client = openClient(service, { cache: { maxBytes: 10_000 } });
    for (const token of tokens(20)) {
      await client.verifyToken(token);
      expect(client.status().cache.bytes).toBeLessThanOrEqual(10_000);
    }
    const { entries, bytes } = client.status().cache;
    expect(entries).toBeGreaterThan(3);
    expect(entries).toBeLessThan(10); // each has more than 1,000 characters
    expect(bytes).toBeGreaterThan(entries * 1000);
    expect(client.peekToken("token-19")?.user.id).toBe("token-19");
  });

  test.each<[string, DirectoryOptions]>([
    ["a user's email", { users: { "token-ana": { id: "ana", email: "x".repeat(1000) } } }],
    ["a user's permissions", { users: { "token-ana": { id: "ana", permissions: ["x".repeat(1000)] } } }],
    [
      "many short texts, each of which is a string of its own",
      { users: { "token-ana": { id: "ana", permissions: Array.from({ length: 40 }, (_, n) => `${n % 10}`) } } },
    ],
    ["a user's locals", { users: { "token-ana": { id: "ana", locals: ["x".repeat(1000)] } } }],
    ["an organization's name", { organizations: { "org-1": { name: "x".repeat(1000) } } }],
    ["an organization's modules", { organizations: { "org-1": { modules: ["x".repeat(1000)] } } }],
  ])("counts the bytes of %s", async (_what, { users, organizations }) => {
    const bytesOf = async (directory: DirectoryOptions) => {
      const client = openClient(await startService(directory));
      if (users) await client.verifyToken("token-ana");
      else await client.getOrganization("org-1");
      return client.status().cache.bytes;
    };
    const plain = await bytesOf({ users: { "token-ana": { id: "ana" } }, organizations: { "org-1": {} } });
    const large = await bytesOf({ ...(users && { users }), ...(organizations && { organizations }) });
    expect(large - plain).toBeGreaterThan(900);
    expect(large - plain).toBeLessThan(1100);
  });

  test("does not keep an entry that is larger than all of it, and answers all the same", async () => {
    const service = await serviceOf(2, "x".repeat(5000));
    const client = openClient(service, { cache: { maxBytes: 3000 } });
    expect((await client.verifyToken("token-0")).user.id).toBe("token-0");
    expect((await client.verifyToken("token-0")).source).toBe("grpc");
    expect(client.status().cache.entries).toBe(0);
  });

  test("lets go of an entry whose newer answer has become too large: the old one is not true any more", async () => {
    const service = await serviceOf(1);
    const client = openClient(service, { cache: { maxBytes: 3000 } });
    await client.verifyToken("token-0");
    service.allow("token-0", { id: "token-0", email: "x".repeat(5000) });
    await client.verifyToken("token-0", { fresh: true });
    expect(client.peekToken("token-0")).toBeUndefined();
  });
});
