import { describe, expect, test } from "@jest/globals";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";

const SECRET = "a secret of the whole fleet, at least 32 bytes";

/** Two sealed entries, and what a stranger who can write to the store may do with them. */
async function sealed() {
  const service = await startService({
    users: { "token-ana": { id: "ana", permissions: ["admin"] }, "token-eve": { id: "eve" } },
  });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const open = () => openClient(service, { clock, cache: { store, secret: SECRET } });
  await open().verifyToken("token-ana");
  await settle();
  const [anaKey = ""] = store.keys("token");
  await open().verifyToken("token-eve");
  await settle();
  const eveKey = store.keys("token").find((key) => key !== anaKey) ?? "";
  return { service, clock, store, open, anaKey, eveKey };
}

const bytesOf = (sealedText: unknown) => Buffer.from(String(sealedText), "base64url");

describe("A sealed entry is a miss when it was", () => {
  test("moved to another key: nobody becomes somebody else", async () => {
    const { store, open, anaKey, eveKey } = await sealed();
    store.texts.set(eveKey, store.texts.get(anaKey));
    const { user, source } = await open().verifyToken("token-eve");
    expect([user.id, source]).toEqual(["eve", "grpc"]);
  });

  test("modified, in any of its bytes", async () => {
    const { service, store, open, anaKey } = await sealed();
    const original = bytesOf(store.texts.get(anaKey));
    service.resetCalls();
    const positions = [0, 11, 12, 27, 28, 40, original.length - 1]; // IV, tag, ciphertext: their borders
    for (const at of positions) {
      const changed = Buffer.from(original);
      changed[at] = (changed[at] ?? 0) ^ 1;
      store.texts.set(anaKey, changed.toString("base64url"));
      expect((await open().verifyToken("token-ana")).source).toBe("grpc");
      await settle();
    }
    expect(service.calls.VerifyToken).toBe(positions.length);
    store.texts.set(anaKey, original.toString("base64url"));
    expect((await open().verifyToken("token-ana")).source).toBe("shared");
  });

  test.each([0, 1, 27, 28])("cut to %d bytes", async (length) => {
    const { store, open, anaKey } = await sealed();
    store.texts.set(anaKey, bytesOf(store.texts.get(anaKey)).subarray(0, length).toString("base64url"));
    expect((await open().verifyToken("token-ana")).source).toBe("grpc");
  });

  test("replaced by one that is not sealed", async () => {
    const { clock, store, open, eveKey } = await sealed();
    const user = { id: "root", organizationId: "org-1", email: "", permissions: ["admin"] };
    const forged = { askedAt: clock.now(), expiresAt: clock.now() + 300_000, value: { user, locals: [] } };
    store.texts.set(eveKey, JSON.stringify(forged));
    expect((await open().verifyToken("token-eve")).user.id).toBe("eve");
  });

  test("replayed after its time", async () => {
    const { service, clock, store, open, anaKey } = await sealed();
    const old = String(store.texts.get(anaKey));
    await clock.advance(300_000);
    service.refuse("token-ana");
    await store.set(anaKey, old, 300_000);
    await expect(open().verifyToken("token-ana")).rejects.toMatchObject({ code: "invalid_token" });
  });

  test("replayed after its user was invalidated", async () => {
    const { service, clock, store, open, anaKey } = await sealed();
    const old = String(store.texts.get(anaKey));
    await clock.advance(1);
    await open().invalidateUser({ userId: "ana", organizationId: "org-1" });
    service.refuse("token-ana");
    await store.set(anaKey, old, 300_000);
    await expect(open().verifyToken("token-ana")).rejects.toMatchObject({ code: "invalid_token" });
  });
});

test("The same answer is sealed to another text each time: who watches the store learns nothing.", async () => {
  const { store, open, anaKey } = await sealed();
  const first = store.texts.get(anaKey);
  await open().verifyToken("token-ana", { fresh: true });
  await settle();
  expect(store.texts.get(anaKey)).not.toBe(first);
});
