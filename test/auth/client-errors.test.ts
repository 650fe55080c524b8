import * as http from "node:http";
import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { describe, expect, test } from "@jest/globals";
import { AuthService } from "../../gen/auth/auth_service_pb.js";
import { AuthError } from "../../src/client.js";
import { ManualClock } from "../support/manual-clock.js";
import { afterwards, openClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { unsignedJwt } from "../support/unsigned-jwt.js";
import { until } from "../support/until.js";

const TOKEN = unsignedJwt({ sub: "ana", name: "a rather personal claim" });
const urlOf = (server: { address(): unknown }) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

/** A gRPC side that puts the token it was asked about wherever an error has room for text. */
async function startGrpcThatEchoes(code: Code): Promise<string> {
  const sessions = new Set<http2.ServerHttp2Session>();
  const echo = ({ token }: { token: string }): never => {
    throw new ConnectError(`bad token ${token}`, code, { "x-token": token, authorization: `Bearer ${token}` });
  };
  const routes = connectNodeAdapter({
    routes: (router) => {
      router.service(AuthService, { verifyToken: echo });
    },
  });
  const server = http2.createServer(routes).on("session", (session) => sessions.add(session));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  afterwards(() => {
    server.close();
    for (const session of sessions) session.destroy();
  });
  return urlOf(server);
}

/** A REST side that does the same. */
async function startRestThatEchoes(answer: (token: string, response: http.ServerResponse) => void): Promise<string> {
  const server = http.createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    answer(JSON.parse(body).token, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  afterwards(() => {
    server.close();
    server.closeAllConnections();
  });
  return urlOf(server);
}

/** Everything that a careless `console.log(error)`, or a serialiser, could bring to light. */
function everythingOf(error: unknown): string {
  const chain: string[] = [];
  for (let link = error; link instanceof Error; link = link.cause) {
    const named = Object.fromEntries(
      Object.getOwnPropertyNames(link).map((name) => [name, Reflect.get(link as Error, name)]),
    );
    chain.push(String(link), String(link.stack), inspect(named, { depth: Number.POSITIVE_INFINITY, showHidden: true }));
  }
  const headers = error instanceof AuthError ? JSON.stringify(error.headers) : "";
  return [
    inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true }),
    JSON.stringify(error),
    headers,
    ...chain,
  ].join("\n");
}

function expectNoToken(text: string): void {
  for (const part of [TOKEN, ...TOKEN.split("."), "rather personal"]) expect(text).not.toContain(part);
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const [outcome] = await Promise.allSettled([promise]);
  if (outcome?.status !== "rejected") throw new Error("it was not rejected");
  return outcome.reason;
}

const rests: [string, (token: string, response: http.ServerResponse) => void][] = [
  ["a 401", (token, response) => response.writeHead(401, { "x-token": token }).end(`bad token ${token}`)],
  ["a 500", (token, response) => response.writeHead(500, `bad ${token}`).end(`{"detail":"${token}"}`)],
  ["a 503", (token, response) => response.writeHead(503, { "retry-after": token }).end(token)],
  ["a redirect", (token, response) => response.writeHead(302, { location: `/login?token=${token}` }).end()],
  ["a 200 that is no JSON", (token, response) => response.writeHead(200).end(`<p>${token}</p>`)],
  ["a 200 of the wrong shape", (token, response) => response.writeHead(200).end(`{"user_id":["${token}"]}`)],
  [
    "a 200 with a wrong permission",
    (token, response) => response.end(`{"user_id":"a","permissions":{"x":"${token}"}}`),
  ],
  ["a 200 that is too large", (token, response) => response.end(`{"user_id":"${token.repeat(100)}"}`)],
  [
    "half an answer",
    (token, response) => response.writeHead(200, { "content-length": 9e4 }).write(token, () => response.destroy()),
  ],
  ["no HTTP", (token, response) => response.socket?.end(`NOT-HTTP ${token}\r\n\r\n`)],
];

describe("An error never carries the token, though the auth service repeats it in", () => {
  test.each([
    Code.Unauthenticated,
    Code.InvalidArgument,
    Code.Unavailable,
    Code.ResourceExhausted,
    Code.Internal,
    Code.Unknown,
    Code.DataLoss,
  ])("a gRPC error with the code %d, and REST in every way it has", async (code) => {
    const grpc = { url: await startGrpcThatEchoes(code) };
    for (const [, answer] of rests) {
      const rest = { url: await startRestThatEchoes(answer) };
      const logger = new RecordingLogger();
      const client = openClient({ upstreams: { grpc, rest } }, { logger, maxAnswerBytes: 2000 });
      const error = await rejection(client.verifyToken(TOKEN));
      expect(error).toBeInstanceOf(AuthError);
      expectNoToken(everythingOf(error));
      expectNoToken(everythingOf(await rejection(client.verifyToken(TOKEN, { fresh: true }))));
      expectNoToken(JSON.stringify([client.status(), logger.lines]));
    }
  });

  test("an event", async () => {
    const grpc = { url: await startGrpcThatEchoes(Code.Unavailable) };
    const rest = { url: await startRestThatEchoes((token, response) => response.writeHead(503).end(token)) };
    const client = openClient({ upstreams: { grpc, rest } }, { breaker: { failureThreshold: 1 } });
    const heard: unknown[] = [];
    client.on("breaker", (event) => heard.push(event));
    client.on("fallback", (event) => heard.push(event));
    await rejection(client.verifyToken(TOKEN));
    expect(heard).toHaveLength(3);
    expectNoToken(inspect(heard, { depth: Number.POSITIVE_INFINITY, showHidden: true }));
  });
});

describe("Nor does an error carry the token that", () => {
  test("comes of an interceptor that fails over it", async () => {
    const service = await startService();
    service.rest.fail();
    const interceptor: Interceptor = () => async (request) => {
      throw Object.assign(new Error(`cannot send ${JSON.stringify(request.message)}`), { request });
    };
    const client = openClient(service, { grpc: { interceptors: [interceptor] } });
    const error = await rejection(client.verifyToken(TOKEN));
    expect(error).toMatchObject({ code: "auth_unavailable" });
    expectNoToken(everythingOf(error));
  });

  test("comes of a function for headers that fails", async () => {
    const service = await startService();
    const headers = async () => {
      throw new Error(`s3cret ${TOKEN}`);
    };
    const error = await rejection(openClient(service, { headers }).verifyToken(TOKEN));
    expect(error).toMatchObject({ code: "auth_unavailable" });
    expectNoToken(everythingOf(error));
    expect(everythingOf(error)).not.toContain("s3cret");
  });

  test("comes of a time-out, of a closed client, or of a token that is none", async () => {
    const service = await startService();
    service.grpc.hang();
    service.rest.hang();
    const clock = new ManualClock();
    const client = openClient(service, { clock });
    const timedOut = rejection(client.verifyToken(TOKEN));
    await until(() => service.grpc.calls.total === 1);
    await clock.advance(120_000);
    const malformed = await rejection(client.verifyToken(`${TOKEN} ${TOKEN}`));
    await client.close();
    const errors = [await timedOut, malformed, await rejection(client.verifyToken(TOKEN))];
    expect(errors.map((error) => (error as AuthError).code)).toEqual([
      "auth_unavailable",
      "invalid_request",
      "auth_unavailable",
    ]);
    for (const error of errors) expectNoToken(everythingOf(error));
  });

  test("comes of a shared store that quotes what it was given", async () => {
    const service = await startService({ users: { [TOKEN]: { id: "ana" } } });
    const quote = async (...given: unknown[]) => {
      throw new Error(`cannot store ${given.join()}`);
    };
    const store = { get: quote, set: quote, delete: quote };
    const client = openClient(service, { cache: { store } });
    await client.verifyToken(TOKEN);
    expectNoToken(everythingOf(await rejection(client.invalidateToken(TOKEN))));
  });
});
