import { describe, expect, test } from "@jest/globals";
import type { AuthClient } from "../../src/client.js";
import { ManualClock } from "../support/manual-clock.js";
import { fail, MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";
import { until } from "../support/until.js";

const OLD = "the old secret, which some processes still have";
const NEW = "the new secret, which some processes have already";
const ANA = { userId: "ana", organizationId: "org-1" };

/** Processes with different secrets on one store. */
async function openWorld() {
  const service = await startService({ users: { "token-ana": { id: "ana" } } });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const join = (...secret: string[]): AuthClient => openClient(service, { clock, cache: { store, secret } });
  /** What a process leaves behind that asked. */
  const leave = async (...secret: string[]) => {
    const before = store.keys("token").length;
    await join(...secret).verifyToken("token-ana");
    await until(() => store.keys("token").length > before);
  };
  return { service, clock, store, join, leave };
}

const sourceOf = async (client: AuthClient) => (await client.verifyToken("token-ana")).source;

describe("While a secret is rotated", () => {
  test("what the old one wrote is read by who has both", async () => {
    const { join, leave } = await openWorld();
    await leave(OLD);

    expect(await sourceOf(join(NEW, OLD))).toBe("shared");
    expect(await sourceOf(join(OLD, NEW))).toBe("shared");
  });

  test("only the first one writes", async () => {
    const { join, leave } = await openWorld();
    await leave(NEW, OLD);

    expect(await sourceOf(join(NEW))).toBe("shared");
    expect(await sourceOf(join(OLD))).toBe("grpc");
  });

  test("what a dropped one wrote is a miss", async () => {
    const { join, leave } = await openWorld();
    await leave(OLD);

    expect(await sourceOf(join(NEW))).toBe("grpc");
  });

  test("a token is invalidated under every one of them", async () => {
    const { store, join, leave } = await openWorld();
    await leave(OLD);
    await leave(NEW);
    expect(store.keys("token")).toHaveLength(2);

    await join(NEW, OLD).invalidateToken("token-ana");

    expect(store.keys("token")).toEqual([]);
  });

  test("a refusal is dropped under every one of them", async () => {
    const { service, store, join, leave } = await openWorld();
    await leave(OLD);
    await leave(NEW);
    service.refuse("token-ana");

    const asked = join(NEW, OLD).verifyToken("token-ana", { fresh: true });

    await expect(asked).rejects.toMatchObject({ code: "invalid_token" });
    await until(() => store.keys("token").length === 0);
  });
});

describe("A user's invalidation, while a secret is rotated,", () => {
  test.each([
    ["old", "old", [OLD, NEW], [OLD, NEW]],
    ["old", "new", [OLD, NEW], [NEW, OLD]],
    ["new", "old", [NEW, OLD], [OLD, NEW]],
    ["new", "new", [NEW, OLD], [NEW, OLD]],
  ])("by a process that writes with the %s one reaches one that writes with the %s one", async (_by, _at, by, at) => {
    const { clock, join, leave } = await openWorld();
    await leave(NEW, OLD);
    expect(await sourceOf(join(...at))).toBe("shared");
    await clock.advance(1);

    await join(...by).invalidateUser(ANA);

    expect(await sourceOf(join(...at))).toBe("grpc");
  });

  test.each([
    ["the old one after the new one", [OLD, NEW]],
    ["the new one after the old one", [NEW, OLD]],
  ])("counts when it is the later of two: %s", async (_order, last) => {
    const { clock, join, leave } = await openWorld();
    await join(...last.toReversed()).invalidateUser(ANA);
    await clock.advance(1000);
    await leave(NEW, OLD); // answered between the two
    await clock.advance(1000);

    await join(...last).invalidateUser(ANA);

    expect(await sourceOf(join(NEW, OLD))).toBe("grpc");
  });

  test.each([[[OLD, NEW]], [[NEW, OLD]]])(
    "cannot be ruled out while one of the two places cannot be read: %j",
    async (last) => {
      const { clock, store, join, leave } = await openWorld();
      await join(...last.toReversed()).invalidateUser(ANA);
      const earlier = store.keys("user-invalidated");
      await clock.advance(1000);
      await leave(NEW, OLD);
      await clock.advance(1000);
      await join(...last).invalidateUser(ANA);
      const [later] = store.keys("user-invalidated").filter((key) => !earlier.includes(key));

      store.before = (operation, key) => (operation === "get" && key === later ? fail() : undefined);

      expect(await sourceOf(join(NEW, OLD))).toBe("grpc");
    },
  );
});
