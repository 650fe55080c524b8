import * as http from "node:http";
import * as http2 from "node:http2";
import * as net from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import express from "express";
import Koa from "koa";
import { getAuth, requireAuth } from "../../src/index.js";
import { requireAuth as requireAuthInKoa } from "../../src/koa.js";
import { closeAll, closing, startAuth } from "../support/http-fixture.js";
import { exchange, listen } from "../support/raw-request.js";

afterEach(closeAll);

const users = { abc: { id: "user-1" }, def: { id: "user-2" } };

/** An app behind Node's parser, set as strictly or as loosely as the test says. */
async function openDoor(options: http.ServerOptions = {}) {
  const { service, client } = await startAuth({ users });
  const app = express();
  app.use(requireAuth({ client }), (req, res) => void res.send(getAuth(req).user.id));
  const port = await listen(http.createServer(options, app));
  return { service, client, port };
}

type Smuggled = readonly [what: string, headers: readonly string[]];

const MALFORMED: readonly Smuggled[] = [
  ["a folded line after the token", ["Authorization: Bearer abc\r\n def"]],
  ["a folded line with a tab", ["Authorization: Bearer abc\r\n\tdef"]],
  ["a fold that hides a second header", ["Authorization: Bearer abc\r\n Authorization: Bearer def"]],
  ["a NUL after the token", ["Authorization: Bearer abc\0"]],
  ["a NUL in the token", ["Authorization: Bearer ab\0c"]],
  ["a NUL after the scheme", ["Authorization: Bearer\0abc"]],
  ["a tab in the token", ["Authorization: Bearer ab\tc"]],
  ["a tab after the scheme", ["Authorization: Bearer\tabc"]],
  ["a vertical tab after the scheme", ["Authorization: Bearer\x0babc"]],
  ["a form feed in the token", ["Authorization: Bearer ab\x0cc"]],
  ["a delete character", ["Authorization: Bearer abc\x7f"]],
  ["an escape character", ["Authorization: Bearer abc\x1b"]],
  ["a bare carriage return", ["Authorization: Bearer abc\rX: y"]],
  ["a next-line character", ["Authorization: Bearer abc\x85"]],
  ["a comma and another token", ["Authorization: Bearer abc, Bearer def"]],
  ["a semicolon and a parameter", ["Authorization: Bearer abc; charset=utf-8"]],
  ["two headers", ["Authorization: Bearer abc", "Authorization: Bearer def"]],
  ["two headers far apart", ["Authorization: Bearer abc", ...headersBetween(), "AUTHORIZATION: Bearer def"]],
  ["a space before the colon", ["Authorization : Bearer abc"]],
  ["a tab before the colon", ["Authorization\t: Bearer abc"]],
  ["a NUL in the name", ["Author\0ization: Bearer abc"]],
];

/** Of another scheme, or in a header that is nobody's business. */
const NO_CREDENTIALS: readonly Smuggled[] = [
  ["a comma in front", ["Authorization: , Bearer abc"]],
  ["a space before the name", [" Authorization: Bearer abc"]],
  ["a name that a gateway may rewrite", ["Authori_zation: Bearer abc", "HTTP_AUTHORIZATION: Bearer abc"]],
  ["names that proxies use", ["X-Authorization: Bearer abc", "X-Forwarded-Authorization: Bearer abc"]],
];

function headersBetween(): string[] {
  return Array.from({ length: 50 }, (_, index) => `X-${index}: y`);
}

describe.each([
  ["strict", {}],
  ["loose", { insecureHTTPParser: true }],
  ["loose and joining", { insecureHTTPParser: true, joinDuplicateHeaders: true }],
] as const)("Behind a %s parser", (_how, options) => {
  /** Who smuggles this lets nobody in and asks nobody. Node's parser turns away without a word, ours says why. */
  async function expectTurnedAway(headers: readonly string[], status: number, code: string) {
    const { service, port } = await openDoor(options);

    const response = await exchange(port, { headers });

    const byNode = response.headers["content-type"] === undefined;
    if (byNode) expect(response).toMatchObject({ status: 400, body: "" });
    else expect([response.status, JSON.parse(response.body).code]).toEqual([status, code]);
    expect(service.calls.total).toBe(0);
  }

  test.each(MALFORMED)("%s is malformed, and nobody is asked", async (_what, headers) => {
    await expectTurnedAway(headers, 400, "invalid_request");
  });

  test.each(NO_CREDENTIALS)("%s brings no token, and nobody is asked", async (_what, headers) => {
    await expectTurnedAway(headers, 401, "missing_token");
  });

  test("the same door opens for a plain header", async () => {
    const { port } = await openDoor(options);

    expect(await exchange(port, { headers: ["Authorization: Bearer abc"] })).toMatchObject({
      status: 200,
      body: "user-1",
    });
  });
});

describe("Credentials do not travel", () => {
  /** Writes it as it stands, and returns the status of each answer. */
  async function talk(port: number, ...lines: readonly string[]): Promise<(string | undefined)[]> {
    const socket = net.connect(port, "127.0.0.1");
    socket.write(lines.map((line) => `${line}\r\n`).join(""));
    let text = "";
    for await (const chunk of socket) text += chunk;
    return [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
  }

  test("in the trailers of a chunked body", async () => {
    const { service, port } = await openDoor();
    const head = ["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", "Trailer: Authorization"];
    const body = ["1", "a", "0", "Authorization: Bearer abc", ""];

    expect(await talk(port, ...head, "Connection: close", "", ...body)).toEqual(["401"]);
    expect(service.calls.total).toBe(0);
  });

  test("from one request to the next on the same connection", async () => {
    const { port } = await openDoor();
    const first = ["GET / HTTP/1.1", "Host: a", "Authorization: Bearer abc", ""];
    const second = ["GET / HTTP/1.1", "Host: a", "Connection: close", ""];

    expect(await talk(port, ...first, ...second)).toEqual(["200", "401"]);
  });

  test("from a request that hides in a body", async () => {
    const { service, port } = await openDoor();

    const response = await exchange(port, {
      line: "POST / HTTP/1.1",
      body: "GET / HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer abc\r\n\r\n",
    });

    expect(response.status).toBe(401);
    expect(service.calls.total).toBe(0);
  });
});

describe("Over HTTP/2", () => {
  /** A frame: length, type, flags, stream, payload (RFC 9113 §4.1). */
  function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head.writeUInt8(type, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, payload]);
  }

  /** A field as a literal without indexing (RFC 7541 §6.2.2): no client would send it twice. */
  function field(name: string, value: string): Buffer {
    return Buffer.concat([
      Buffer.from([0, name.length]),
      Buffer.from(name),
      Buffer.from([value.length]),
      Buffer.from(value),
    ]);
  }

  /** Asks once, with these fields, and returns what the server wrote on the stream. */
  async function ask(port: number, fields: readonly (readonly [string, string])[]): Promise<string> {
    const pseudo = [
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/"],
      [":authority", "a"],
    ] as const;
    const block = Buffer.concat([...pseudo, ...fields].map(([name, value]) => field(name, value)));
    const [SETTINGS, HEADERS, DATA, END] = [4, 1, 0, 5];
    const socket = net.connect(port, "127.0.0.1");
    const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    socket.write(Buffer.concat([preface, frame(SETTINGS, 0, 0, Buffer.alloc(0)), frame(HEADERS, END, 1, block)]));
    let bytes = Buffer.alloc(0);
    for await (const chunk of socket) {
      bytes = Buffer.concat([bytes, chunk]);
      for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
        const data = bytes.subarray(at + 9, at + 9 + bytes.readUIntBE(at, 3));
        if (bytes.readUInt8(at + 3) === DATA && data.length === bytes.readUIntBE(at, 3)) {
          socket.destroy();
          return data.toString();
        }
      }
    }
    return "";
  }

  /** A server on a free port, until the test is over. */
  async function listenHttp2(server: http2.Http2Server): Promise<number> {
    const sessions = new Set<http2.ServerHttp2Session>();
    server.on("session", (session) => sessions.add(session.on("error", () => undefined))); // we hang up on it
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closing({
      close: () =>
        new Promise<void>((resolve) => {
          server.close(() => resolve());
          for (const session of sessions) session.destroy();
        }),
    });
    return (server.address() as net.AddressInfo).port;
  }

  test("two authorization fields are malformed, one is not", async () => {
    const { service, client } = await startAuth({ users });
    const app = new Koa().use(requireAuthInKoa({ client })).use((ctx) => {
      ctx.body = ctx.state.user?.id;
    });
    const port = await listenHttp2(http2.createServer(app.callback()));

    const once = await ask(port, [["authorization", "Bearer abc"]]);
    const twice = await ask(port, [
      ["authorization", "Bearer abc"],
      ["authorization", "Bearer def"],
    ]);

    expect(once).toBe("user-1");
    expect(JSON.parse(twice)).toMatchObject({ code: "invalid_request" });
    expect(service.calls.VerifyToken).toBe(1);
  });
});
