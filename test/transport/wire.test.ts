import * as http2 from "node:http2";
import { buffer } from "node:stream/consumers";
import type { Interceptor } from "@connectrpc/connect";
import { describe, expect, test } from "@jest/globals";
import { closedAfterEach } from "../support/after-each.js";
import { type Script, startFrameServer } from "../support/frame-server.js";
import * as reply from "../support/grpc-replies.js";
import { listen } from "../support/listen.js";
import { startRawGrpc } from "../support/raw-upstreams.js";
import { ACCEPTED, MORE_HEADERS, REJECTED, STRICTER } from "./wire-rows.js";
import { type AskOptions, ask, outcomeOf, TRANSPORTS, type TransportMaker } from "./wire-transports.js";

const opened = closedAfterEach();

async function outcomeOn(make: TransportMaker, script: Script): Promise<string> {
  const server = opened(await startFrameServer(script, script));
  const { transport } = opened(make(server.url));
  return outcomeOf(ask(transport));
}

describe("the same bytes mean the same to Connect's transport and to ours", () => {
  const outcomes = async (script: Script) => ({
    ours: await outcomeOn(TRANSPORTS.ours, script),
    connect: await outcomeOn(TRANSPORTS.connect, script),
  });

  test.each(ACCEPTED)("%s: an answer", async (_name, script) => {
    const { ours, connect } = await outcomes(script);
    expect(ours).toMatch(/^user /);
    expect(ours).toBe(connect);
  });

  test.each([...ACCEPTED, ["more headers", MORE_HEADERS] as const])(
    "%s: the same headers and trailers",
    async (_name, script) => {
      const read = async (make: TransportMaker) => {
        const server = opened(await startFrameServer(script, script));
        const response = await ask(opened(make(server.url)).transport);
        expect(response.header).toBe(response.header);
        expect(response.trailer).toBe(response.trailer);
        const { stream, method, service, header, trailer } = response;
        return { stream, method, service, header: [...header], trailer: [...trailer] };
      };
      expect(await read(TRANSPORTS.ours)).toEqual(await read(TRANSPORTS.connect));
    },
  );

  test.each(REJECTED)("%s: none", async (_name, script) => {
    const { ours, connect } = await outcomes(script);
    expect(ours).not.toMatch(/^user /);
    expect(ours).toBe(connect);
  });

  test.each(STRICTER)("but for $name", async ({ script, ours, connect }) => {
    expect(await outcomes(script)).toEqual({ ours, connect });
  });
});

describe("the same question", () => {
  /** What reaches a server: headers that matter, and the body. */
  async function sent(make: TransportMaker, options: AskOptions, interceptors?: Interceptor[]) {
    const received: unknown[] = [];
    const server = http2.createServer();
    server.on("stream", async (stream, { ":authority": _port, ...fields }) => {
      received.push({ fields: { ...fields }, body: (await buffer(stream)).toString("hex") });
      reply.message(reply.user("ana"))(stream);
    });
    const port = await listen(server);
    const { transport, close } = make(`http://127.0.0.1:${port}/prefix`, interceptors);
    expect(await outcomeOf(ask(transport, options))).toBe('user "ana"');
    close();
    server.close();
    return received;
  }

  const interceptor: Interceptor = (next) => (request) => {
    request.header.set("x-added", new URL(request.url).pathname);
    return next(request);
  };
  test.each<{ name: string; options: AskOptions; interceptors?: Interceptor[] }>([
    { name: "alone", options: {} },
    { name: "with a token of 20,000 characters", options: { token: "t".repeat(20_000) } },
    { name: "with headers", options: { header: { authorization: "Bearer own", "X-Two": "2" } } },
    { name: "with a timeout", options: { timeoutMs: 1500 } },
    {
      name: "through an interceptor",
      options: { header: { a: "b" }, timeoutMs: 100_000 },
      interceptors: [interceptor],
    },
  ])("$name reaches the server in the same bytes", async ({ options, interceptors }) => {
    const ours = await sent(TRANSPORTS.ours, options, interceptors);
    expect(ours).toHaveLength(1);
    expect(ours).toEqual(await sent(TRANSPORTS.connect, options, interceptors));
  });

  test("with a timeout between milliseconds announces a whole number, as gRPC wants it", async () => {
    const server = opened(await startRawGrpc(reply.message(reply.user("ana"))));
    const { transport } = opened(TRANSPORTS.ours(server.url));
    await ask(transport, { timeoutMs: 20.25 });
    expect(server.requests[0]).toMatchObject({ "grpc-timeout": "21m" });
  });
});
