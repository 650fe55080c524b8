import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, expect, test } from "@jest/globals";
import { ManualClock } from "../support/manual-clock.js";
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
    await until(() => clock.waits(250) === 1);
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

  test("takes a custom transport at its word", async () => {
    const transport = { unary: () => Promise.reject(new Error()), stream: () => Promise.reject(new Error()) };
    await openBareClient({ grpc: { transport } }).ready();
  });
});
