import { describe, expect, test } from "@jest/globals";
import type { AuthClientEvents } from "../../src/client.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { fail, MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { until } from "../support/until.js";

const users = { "token-ana": { id: "ana" } };

async function opened() {
  const service = await startService({ users });
  const clock = new ManualClock();
  const logger = new RecordingLogger();
  const client = openClient(service, { clock, logger, breaker: { failureThreshold: 2 } });
  const ask = () => client.verifyToken("token-ana", { fresh: true });
  return { service, clock, logger, client, ask };
}

describe("A listener hears of", () => {
  test("every move of a breaker, in order", async () => {
    const { service, clock, logger, client, ask } = await opened();
    const heard: AuthClientEvents["breaker"][] = [];
    client.on("breaker", (event) => heard.push(event));
    service.grpc.fail();
    await ask();
    expect(heard).toEqual([]);
    await ask();
    await clock.advance(30_000);
    service.grpc.allow();
    await ask();
    await until(() => client.status().grpc?.breaker === "closed");
    expect(heard).toEqual([
      { upstream: "grpc", from: "closed", to: "open" },
      { upstream: "grpc", from: "open", to: "half-open" },
      { upstream: "grpc", from: "half-open", to: "closed" },
    ]);
    // The half-open one is nobody's business.
    expect(logger.lines.filter((line) => line.includes("breaker"))).toHaveLength(2);
  });

  test("every fallback, with the operation and the reason", async () => {
    const { service, client, ask } = await opened();
    const heard: AuthClientEvents["fallback"][] = [];
    client.on("fallback", (event) => heard.push(event));
    await ask();
    service.grpc.fail(13); // INTERNAL: an answer that is none
    await ask();
    service.grpc.fail();
    await client.getUserLocals({ userId: "ana", organizationId: "org-1" });
    await ask();
    expect(heard).toEqual([
      { operation: "VerifyToken", reason: "broken" },
      { operation: "GetUserLocals", reason: "unreachable" },
      { operation: "VerifyToken", reason: "open" },
    ]);
  });

  test("no fallback for a user whose organization fits no header, about whom REST is not asked", async () => {
    const { service, client } = await opened();
    const heard: AuthClientEvents["fallback"][] = [];
    client.on("fallback", (event) => heard.push(event));
    service.grpc.fail();
    for (const organizationId of ["café", " padded", "two\nlines", "café"]) {
      const asked = client.getUserPermissions({ userId: "ana", organizationId });
      await expect(asked).rejects.toMatchObject({ code: "auth_unavailable" });
    }
    expect(client.status().grpc?.breaker).toBe("open");
    expect(heard).toEqual([]);
    expect(service.rest.calls.total).toBe(0);
  });

  test("the shared cache that goes and comes", async () => {
    const service = await startService({ users });
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const client = openClient(service, { clock, cache: { store } });
    const heard: AuthClientEvents["cache"][] = [];
    client.on("cache", (event) => heard.push(event));
    store.before = fail;
    for (let n = 0; n < 4; n++) await expect(client.verifyToken(`garbage-${n}`)).rejects.toThrow();
    store.before = () => undefined;
    await clock.advance(1000);
    await client.verifyToken("token-ana");
    await settle();
    expect(heard).toEqual([
      { tier: "shared", available: false },
      { tier: "shared", available: true },
    ]);
  });
});

describe("Among listeners", () => {
  test("each one hears, until it is taken away", async () => {
    const { service, client, ask } = await opened();
    const heard: string[] = [];
    const off = client.on("fallback", () => heard.push("first"));
    client.on("fallback", () => heard.push("second"));
    service.grpc.fail();
    await ask();
    off();
    off();
    await ask();
    expect(heard).toEqual(["first", "second", "second"]);
  });

  test("one function that listens twice hears twice, and is taken away once at a time", async () => {
    const { service, client, ask } = await opened();
    let heard = 0;
    const listen = () => {
      heard++;
    };
    const off = client.on("fallback", listen);
    client.on("fallback", listen);
    service.grpc.fail();
    await ask();
    expect(heard).toBe(2);
    off();
    await ask();
    expect(heard).toBe(3);
  });

  test("one that throws disturbs nobody: not the others, not the request, not the breaker", async () => {
    const { service, logger, client, ask } = await opened();
    const heard: string[] = [];
    for (const event of ["breaker", "fallback"] as const) {
      client.on(event, () => {
        throw new Error("a fault of the listener, with a s3cret");
      });
      client.on(event, () => heard.push(event));
    }
    service.grpc.fail();
    expect((await ask()).source).toBe("rest");
    expect((await ask()).source).toBe("rest");
    expect(client.status().grpc?.breaker).toBe("open");
    expect(heard).toEqual(["fallback", "breaker", "fallback"]);
    expect(logger.lines.filter((line) => line.startsWith("error"))).toHaveLength(3);
    expect(logger.lines.join()).not.toContain("s3cret");
  });

  test("an asynchronous one that fails does not end the process", async () => {
    const { service, logger, client, ask } = await opened();
    client.on("fallback", async () => {
      throw new Error("a fault of the listener");
    });
    service.grpc.fail();
    await ask();
    await settle(); // Jest fails a test that leaves a rejection unhandled, as Node ends the process
    expect(logger.lines.filter((line) => line.startsWith("error"))).toEqual([
      expect.stringMatching(/^error .*listener.*fallback/),
    ]);
  });
});
