import { getEventListeners } from "node:events";
import * as http2 from "node:http2";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { describe, expect, test } from "@jest/globals";
import { closedAfterEach } from "../support/after-each.js";
import { FRAME, frame, headers, type Script, startFrameServer, wellBehaved } from "../support/frame-server.js";
import * as reply from "../support/grpc-replies.js";
import { startRawGrpc, startTcpGate } from "../support/raw-upstreams.js";
import { until } from "../support/until.js";
import { ACCEPTED, REJECTED, STRICTER } from "./wire-rows.js";
import { ask, outcomeOf, TRANSPORTS } from "./wire-transports.js";

const opened = closedAfterEach();
const KINDS = Object.entries(TRANSPORTS);
const TIMED_OUT = new ConnectError("the operation timed out", Code.DeadlineExceeded);

describe.each(KINDS)("%s: interceptors", (_kind, make) => {
  test("see the question and the answer, and may change both", async () => {
    const seen: unknown[] = [];
    const interceptor: Interceptor = (next) => async (request) => {
      seen.push(request.stream, request.method.name, request.requestMethod, request.header.get("grpc-timeout"));
      if (request.stream) throw new Error("a stream");
      (request.message as unknown as { token: string }).token = "another";
      const response = await next(request);
      seen.push(response.header.get("content-type"), response.trailer.get("grpc-status"), response.method.name);
      if (response.stream) throw new Error("a stream");
      return { ...response, message: { ...response.message, userId: "changed" } } as typeof response;
    };
    const tokens: string[] = [];
    const server = opened(
      await startRawGrpc((stream) => {
        tokens.push(String(stream.id));
        reply.message(reply.user("ana"))(stream);
      }),
    );
    const { transport } = opened(make(server.url, [interceptor]));
    expect(await outcomeOf(ask(transport, { timeoutMs: 5000 }))).toBe('user "changed"');
    expect(seen).toEqual([false, "VerifyToken", "POST", "5000m", "application/grpc+proto", "0", "VerifyToken"]);
  });

  test("that throw end the call, and nothing is sent", async () => {
    const server = opened(await startRawGrpc(reply.message(reply.user("ana"))));
    const refusing: Interceptor = () => () => Promise.reject(new ConnectError("no", Code.Unauthenticated));
    const { transport } = opened(make(server.url, [refusing]));
    expect(await outcomeOf(ask(transport))).toBe("broken, Unauthenticated");
    expect(server.requests).toHaveLength(0);
  });

  test("get the service's refusal as a ConnectError with its details", async () => {
    const server = opened(
      await startRawGrpc(
        reply.trailersOnly(16, { "grpc-message": "caf%C3%A9", "grpc-status-details-bin": "CBASA3doeQ" }),
      ),
    );
    let caught: unknown;
    const catching: Interceptor = (next) => (request) =>
      next(request).catch((error: unknown) => {
        caught = error;
        throw error;
      });
    const { transport } = opened(make(server.url, [catching]));
    expect(await outcomeOf(ask(transport))).toBe("refused, Unauthenticated");
    expect(caught).toMatchObject({ code: Code.Unauthenticated, rawMessage: "why", details: [] });
  });
});

/** Where a server stops in the middle of a call. */
const STOPS: readonly [name: string, script: Script][] = [
  ["before the answer", { ...wellBehaved, request: () => undefined }],
  [
    "behind headers",
    stopsBehind((stream) => [headers(stream, { ":status": "200", "content-type": "application/grpc" })]),
  ],
  [
    "in the middle of a message",
    stopsBehind((stream) => [
      headers(stream, { ":status": "200", "content-type": "application/grpc" }),
      frame(FRAME.DATA, 0, stream, reply.envelope(reply.user("ana")).subarray(0, 7)),
    ]),
  ],
  [
    "before the trailers",
    stopsBehind((stream) => [
      headers(stream, { ":status": "200", "content-type": "application/grpc" }),
      frame(FRAME.DATA, 0, stream, reply.envelope(reply.user("ana"))),
    ]),
  ],
];

function stopsBehind(frames: (stream: number) => readonly Buffer[]): Script {
  return { ...wellBehaved, request: (socket, stream) => socket.write(Buffer.concat(frames(stream))) };
}

describe.each(KINDS)("%s: a call that is given up", (kind, make) => {
  test.each(STOPS)("when the server is silent %s ends at once, with the reason", async (_name, script) => {
    let asked = 0;
    const server = opened(
      await startFrameServer({
        ...script,
        request: (socket, stream) => {
          asked++;
          script.request(socket, stream);
        },
      }),
    );
    const { transport } = opened(make(server.url));
    const aborter = new AbortController();
    const outcome = outcomeOf(ask(transport, { signal: aborter.signal }));
    await until(() => asked === 1);
    aborter.abort(TIMED_OUT);
    expect(await outcome).toBe("unreachable, DeadlineExceeded, timedOut, network");
    expect(getEventListeners(aborter.signal, "abort")).toHaveLength(0);
  });

  test("before it began sends nothing", async () => {
    const gate = opened(await startTcpGate());
    const { transport } = opened(make(gate.url));
    const signal = AbortSignal.abort(TIMED_OUT);
    expect(await outcomeOf(ask(transport, { signal }))).toMatch(/^unreachable, DeadlineExceeded, timedOut/);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  test("by AbortController.abort() without a reason is cancelled", async () => {
    const server = opened(await startFrameServer({ ...wellBehaved, request: () => undefined }));
    const { transport } = opened(make(server.url));
    const aborter = new AbortController();
    const answer = ask(transport, { signal: aborter.signal });
    aborter.abort();
    await expect(answer).rejects.toMatchObject({ name: "ConnectError", code: Code.Canceled });
  });

  test("leaves its connection to the others", async () => {
    const server = opened(
      await startFrameServer({
        ...wellBehaved,
        request: (socket, stream) => void (stream > 1 && wellBehaved.request(socket, stream)),
      }),
    );
    const { transport } = opened(make(server.url));
    const aborter = new AbortController();
    const lost = outcomeOf(ask(transport, { signal: aborter.signal }));
    await until(() => server.connections.length === 1);
    aborter.abort(TIMED_OUT);
    await lost;
    expect(await outcomeOf(ask(transport))).toMatch(/^user/);
    expect(server.connections).toHaveLength(1);
  });

  if (kind === "ours") {
    test("while its connection is made is never sent: Connect's sends it, and takes it back", async () => {
      const server = opened(await startRawGrpc(reply.message(reply.user("ana"))));
      const { transport } = opened(make(server.url));
      const aborter = new AbortController();
      const lost = outcomeOf(ask(transport, { signal: aborter.signal }));
      aborter.abort(TIMED_OUT);
      expect(await lost).toMatch(/^unreachable, DeadlineExceeded/);
      expect(await outcomeOf(ask(transport))).toMatch(/^user/);
      expect(server.requests).toHaveLength(1);
    });

    test("is taken back with CANCEL, so that the server stops", async () => {
      const codes: (number | undefined)[] = [];
      const server = opened(await startRawGrpc((stream) => stream.once("close", () => codes.push(stream.rstCode))));
      const { transport } = opened(make(server.url));
      const aborter = new AbortController();
      const lost = outcomeOf(ask(transport, { signal: aborter.signal }));
      await until(() => server.requests.length === 1);
      aborter.abort(TIMED_OUT);
      await lost;
      await until(() => codes.length === 1);
      expect(codes).toEqual([http2.constants.NGHTTP2_CANCEL]);
    });
  }
});

describe("ours: what stays", () => {
  test.each([...ACCEPTED, ...REJECTED, ...STRICTER.map(({ name, script }) => [name, script] as const)])(
    "%s: nothing on the caller's signal",
    async (_name, script) => {
      const server = opened(await startFrameServer(script, script));
      const { transport } = opened(TRANSPORTS.ours(server.url));
      const { signal } = new AbortController();
      await outcomeOf(ask(transport, { signal }));
      expect(getEventListeners(signal, "abort")).toHaveLength(0);
    },
  );

  test("an answer that is too large is cut off at its head, and the server hears it", async () => {
    let written = 0;
    let closed: number | undefined;
    const server = opened(
      await startRawGrpc((stream) => {
        stream.respond({ ":status": 200, "content-type": "application/grpc" });
        stream.once("close", () => {
          closed = stream.rstCode;
        });
        const piece = Buffer.alloc(16_384);
        const more = (): void => {
          if (stream.destroyed) return;
          stream.write(piece, () => {
            written += piece.length;
            more();
          });
        };
        stream.write(reply.envelope(Buffer.alloc(0), { length: 2 ** 30 }), more);
      }),
    );
    const { transport } = opened(TRANSPORTS.ours(server.url));
    expect(await outcomeOf(ask(transport))).toBe("broken, answer too large");
    await until(() => closed !== undefined);
    expect(closed).toBe(http2.constants.NGHTTP2_CANCEL);
    expect(written).toBeLessThan(2 ** 22);
  });

  test("streaming methods have no place here", async () => {
    const { transport } = opened(TRANSPORTS.ours("http://127.0.0.1:1"));
    const stream = transport.stream as unknown as () => Promise<unknown>;
    await expect(stream()).rejects.toMatchObject({ code: Code.Unimplemented });
  });

  test("each piece of an answer is a sign of life", async () => {
    const server = opened(
      await startFrameServer(ACCEPTED.find(([name]) => name.includes("byte by byte"))?.[1] as Script),
    );
    const { transport, session } = opened(TRANSPORTS.ours(server.url));
    await ask(transport);
    expect(session.signsOfLife).toBeGreaterThan(2);
  });
});
