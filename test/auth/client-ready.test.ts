import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, expect, test } from "@jest/globals";
import { type FakeAuthService, stubAuthClient } from "../../src/testing.js";
import { ManualClock } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { afterwards, openBareClient, openClient, startService } from "../support/open-client.js";
import { until } from "../support/until.js";

/** Accepts connections and never says a word: no TLS handshake ends there. */
async function startSilentServer(): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  afterwards(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Knows how often somebody waited for so many milliseconds. */
class WaitCounter extends ManualClock {
  readonly #waits: number[] = [];

  override setTimeout(callback: () => void, ms: number) {
    this.#waits.push(ms);
    return super.setTimeout(callback, ms);
  }

  waits(ms: number): number {
    return this.#waits.filter((each) => each === ms).length;
  }
}

describe("ready()", () => {
  test("resolves when an upstream listens, and asks it nothing", async () => {
    const service = await startService();
    await openClient(service).ready();
    expect(service.calls.total).toBe(0);
  });

  test.each(["grpc", "rest"] as const)("is content with %s", async (side) => {
    const service = await startService();
    await service[side === "grpc" ? "rest" : "grpc"].stop();
    await openClient(service).ready();
  });

  test.each(["grpc", "rest"] as const)("works with %s alone", async (side) => {
    const service = await startService();
    const { grpc, rest } = service.upstreams;
    await openBareClient(side === "grpc" ? { grpc } : { rest }).ready();
  });

  test("waits until one listens", async () => {
    const service = await startService();
    const clock = new WaitCounter();
    const client = openClient(service, { clock });
    await Promise.all([service.grpc.stop(), service.rest.stop()]);
    let isReady = false;
    const ready = client.ready().then(() => {
      isReady = true;
    });
    for (let look = 1; look <= 3; look++) {
      await until(() => clock.waits(250) === look);
      expect(isReady).toBe(false);
      await clock.advance(250);
    }
    await until(() => clock.waits(250) === 4);
    await service.rest.start();
    await clock.advance(250);
    await ready;
  });

  test("looks at all upstreams again, though the connection to one of them hangs", async () => {
    const service = await startService();
    await service.rest.stop();
    const clock = new WaitCounter();
    const client = openBareClient({ clock, grpc: { url: await startSilentServer() }, rest: service.upstreams.rest });
    const ready = client.ready();
    await clock.advance(1000);
    await until(() => clock.waits(250) > 0);
    await service.rest.start();
    await clock.advance(250);
    await ready;
  });

  test("ends with its signal while nobody listens, and leaves no timer", async () => {
    const service = await startService();
    const clock = new ManualClock();
    const client = openClient(service, { clock });
    await Promise.all([service.grpc.stop(), service.rest.stop()]);
    const idle = clock.pending;
    const leaving = new AbortController();
    const ready = expect(client.ready(leaving.signal)).rejects.toThrow("no patience");
    await until(() => clock.pending > idle);
    leaving.abort(new Error("no patience"));
    await ready;
    expect(clock.pending).toBe(idle);
  });

  test("rejects at once when its signal has aborted before", async () => {
    const service = await startService();
    const reason = new Error("too late");
    await expect(openClient(service).ready(AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  test("ends with its signal while a connection hangs", async () => {
    const client = openBareClient({ grpc: { url: await startSilentServer() } });
    const leaving = new AbortController();
    const ready = expect(client.ready(leaving.signal)).rejects.toThrow("no patience");
    leaving.abort(new Error("no patience"));
    await ready;
  });

  test("does not wait for a connection that hangs when the other upstream listens", async () => {
    const { upstreams } = await startService();
    await openBareClient({ grpc: { url: await startSilentServer() }, rest: upstreams.rest }).ready();
  });

  test.each<[unknown, string]>([
    [1000, "ready() takes a signal: write ready(AbortSignal.timeout(1000))"],
    ["5s", "ready() takes a signal: write ready(AbortSignal.timeout(1000))"],
    [{ timeoutMs: 300 }, 'ready() has no option "timeoutMs": write { signal: AbortSignal.timeout(300) }'],
    [{ timeout: "1s" }, 'ready() has no option "timeout": write { signal: AbortSignal.timeout(1000) }'],
    [{ ask: true, wait: true }, 'ready() has no option "wait": there are ask, signal'],
  ])("waits for nothing where it is given %j, which has no end", async (given, message) => {
    for (const client of [openBareClient({ grpc: { url: "http://127.0.0.1:1" } }), stubAuthClient()])
      await expect(client.ready(given as never)).rejects.toThrow(new TypeError(message));
  });

  test("takes null for nothing, and a controller for its signal", async () => {
    const client = openClient(await startService());
    await client.ready(null as never);
    await client.ready(new AbortController() as never);
  });

  test("takes a custom transport at its word", async () => {
    const transport = { unary: () => Promise.reject(new Error()), stream: () => Promise.reject(new Error()) };
    await openBareClient({ grpc: { transport } }).ready();
  });

  test("ends with the signal's own reason where that is none of a time-out", async () => {
    const reason = new Error("the process ends");
    const leaving = new AbortController();
    const ready = openBareClient({ grpc: { url: await startSilentServer() } }).ready({ signal: leaving.signal });
    leaving.abort(reason);
    await expect(ready).rejects.toBe(reason);
  });
});

/** What `AbortSignal.timeout` does, when the test wants it. */
function timeoutSignal(): { signal: AbortSignal; expire(): void } {
  const timeout = new AbortController();
  return {
    signal: timeout.signal,
    expire: () => timeout.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError")),
  };
}

describe("the time-out of ready()", () => {
  test.each([
    ["a signal alone", false],
    ["a signal among the options", true],
  ])("names the upstreams and what is wrong with each: %s", async (_how, isOption) => {
    const service = await startService();
    const clock = new WaitCounter();
    const client = openClient(service, { clock });
    await Promise.all([service.grpc.stop(), service.rest.stop()]);
    const { signal, expire } = timeoutSignal();
    const ready = client.ready(isOption ? { signal } : signal);
    const rejection = expect(ready).rejects.toMatchObject({
      name: "TimeoutError",
      message:
        `portero is not ready: grpc ${service.grpc.url}/ is unreachable (ECONNREFUSED): nothing listens there: are host and port right, ` +
        `has it started?; rest ${service.rest.url}/ is unreachable (ECONNREFUSED): nothing listens there: are host and port right, has it started?`,
    });
    await until(() => clock.waits(250) === 1);
    expire();
    await rejection;
  });

  test("says of an upstream that hangs that it was not reached, and of a shared cache that it is silent", async () => {
    const { signal, expire } = timeoutSignal();
    const hanging = openBareClient({ grpc: { url: await startSilentServer() } }).ready(signal);
    expire();
    await expect(hanging).rejects.toThrow("portero is not ready: grpc has not been reached yet");

    const service = await startService();
    const redis = new MemoryStore(new ManualClock());
    const store = Object.assign(redis, { ready: new Promise<never>(() => undefined) });
    const other = timeoutSignal();
    const clock = new ManualClock();
    const client = openClient(service, { clock, cache: { store } });
    const waiting = client.ready(other.signal);
    await new Promise((resolve) => setTimeout(resolve, 50)); // nothing tells that the upstream was reached
    other.expire();
    await expect(waiting).rejects.toThrow("portero is not ready: the shared cache is silent");
  });
});

describe("ready({ ask: true })", () => {
  test("asks VerifyToken of both sides, and is content with a refusal", async () => {
    const service = await startService();
    await openClient(service).ready({ ask: true });
    expect(service.calls).toMatchObject({ total: service.calls.VerifyToken });
    expect(service.calls.total).toBeGreaterThan(0);
  });

  test("is content with an answer", async () => {
    const service = await startService({ users: { "portero-ready": { id: "probe" } } });
    const client = openBareClient({ grpc: { ...service.upstreams.grpc, timeoutMs: 60_000 } });
    await client.ready({ ask: true });
    expect(client.status().grpc?.calls).toMatchObject({ answered: 1 });
    expect(client.status().cache).toMatchObject({ entries: 0, misses: 0 }); // nobody is let in with it
  });

  test.each([
    ["fails", (service: FakeAuthService) => service.rest.fail(500), "broken (HTTP 500)"],
    ["is out of reach behind a proxy", (service: FakeAuthService) => service.rest.fail(503), "unreachable (HTTP 503)"],
    ["has no room", (service: FakeAuthService) => service.rest.fail(429), "busy (HTTP 429)"],
  ])("waits while it %s, whatever the breaker says, and until it answers", async (_what, fail, reason) => {
    const service = await startService();
    const clock = new WaitCounter();
    const rest = { ...service.upstreams.rest, timeoutMs: 60_000 };
    const client = openBareClient({ clock, rest, breaker: { failureThreshold: 1 } });
    fail(service);
    let isReady = false;
    const ready = client.ready({ ask: true }).then(() => {
      isReady = true;
    });
    for (let look = 1; look <= 3; look++) {
      await until(() => clock.waits(250) === look);
      expect(isReady).toBe(false);
      await clock.advance(250);
    }
    await until(() => clock.waits(250) === 4);
    expect(client.status().rest).toMatchObject({ breaker: "closed" });
    expect(client.status().rest?.lastFailure?.reason).toContain(reason);
    service.rest.allow();
    await clock.advance(250);
    await ready;
  });

  test("is not ready where something else answers, and says so", async () => {
    const service = await startService();
    const clock = new WaitCounter();
    const client = openBareClient({ clock, rest: { url: `${service.rest.url}/v2`, timeoutMs: 60_000 } });
    const { signal, expire } = timeoutSignal();
    const ready = expect(client.ready({ ask: true, signal })).rejects.toThrow(
      /^portero is not ready: rest http:.*\/v2 is broken \(HTTP 404\): it has no such path/,
    );
    await until(() => clock.waits(250) === 1);
    expire();
    await ready;
    await openBareClient({ rest: { url: `${service.rest.url}/v2` } }).ready(); // without a question it cannot know
  });

  test("sends the service's own credentials along", async () => {
    const service = await startService();
    const rest = { ...service.upstreams.rest, timeoutMs: 60_000 };
    await openBareClient({ rest, headers: async () => ({ "X-Service": "shop" }) }).ready({ ask: true });
    expect(service.rest.lastRequest?.headers["x-service"]).toBe("shop");
  });

  test("does not wait for a side that hangs when the other one answers", async () => {
    const service = await startService();
    service.grpc.hang();
    await openClient(service).ready({ ask: true });
    service.grpc.allow();
  });
});
