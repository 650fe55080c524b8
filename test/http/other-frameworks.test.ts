import type * as http from "node:http";
import { afterEach, describe, expect, test } from "@jest/globals";
import request from "supertest";
import { AuthError, type AuthErrorCode, authenticate, requireAuth, toProblem } from "../../src/index.js";
import { express5Face } from "../support/faces.js";
import { closeAll, startAuth } from "../support/http-fixture.js";
import { listenRaw } from "../support/raw-request.js";

afterEach(closeAll);

/** How a framework turns what a guard threw into a response. */
type Filter = (exception: unknown, response: http.ServerResponse) => void;

/** What Nest's `BaseExceptionFilter` does with what is no `HttpException`. */
const nest: Filter = (exception, response) => {
  const { statusCode, message } = exception as { statusCode?: number; message?: string };
  const body = statusCode && message ? { statusCode, message } : { statusCode: 500, message: "Internal server error" };
  response.statusCode = body.statusCode;
  response.end(JSON.stringify(body));
};

/** Fastify's default error handler: `statusCode` of 400 and more, and the error's headers. */
const fastify: Filter = (exception, response) => {
  const { statusCode, headers, message } = exception as { statusCode?: number; headers?: object; message: string };
  response.statusCode = statusCode !== undefined && statusCode >= 400 ? statusCode : 500;
  for (const [name, value] of Object.entries(headers ?? {})) response.setHeader(name, value);
  response.end(JSON.stringify({ statusCode: response.statusCode, message }));
};

const codes: readonly (readonly [AuthErrorCode, number])[] = [
  ["missing_token", 401],
  ["invalid_request", 400],
  ["invalid_token", 401],
  ["inactive_user", 401],
  ["insufficient_scope", 403],
  ["cross_site", 403],
  ["missing_parameter", 400],
  ["lookup_refused", 403],
  ["auth_unavailable", 503],
  ["overloaded", 503],
];

/** A server whose guard runs before its handler, as those of Nest and hooks of Fastify do. */
function serve(filter: Filter, guard: (request: http.IncomingMessage) => unknown): http.RequestListener {
  return async (request, response) => {
    try {
      await guard(request);
      response.end("{}");
    } catch (exception) {
      filter(exception, response);
    }
  };
}

describe.each([
  ["Nest", nest],
  ["Fastify", fastify],
])("A guard of %s", (_name, filter) => {
  test.each(codes)("that throws the AuthError %s answers with its status %i", async (code, status) => {
    const send = await listenRaw(
      serve(filter, () => {
        throw new AuthError(code);
      }),
    );

    const response = await send({});

    expect(response.status).toBe(status);
    expect(JSON.parse(response.body)).toEqual({ statusCode: status, message: new AuthError(code).message });
  });

  test("that awaits authenticate answers with the status of its refusal", async () => {
    const { service, client } = await startAuth();
    const send = await listenRaw(serve(filter, (request) => authenticate(request, { client })));
    const status = async (...headers: string[]) => (await send({ headers })).status;

    expect(await status("Authorization: Bearer token-ana")).toBe(200);
    expect(await status()).toBe(401);
    expect(await status("Authorization: Bearer two words")).toBe(400);
    expect(await status("Authorization: Bearer token-gone")).toBe(401);
    await Promise.all([service.grpc.stop(), service.rest.stop()]);
    expect(await status("Authorization: Bearer token-eva")).toBe(503);
  });
});

test("an error in another realm has its status under both names", () => {
  const moved = new AuthError("overloaded").inRealm("shop");

  expect([moved.status, moved.statusCode]).toEqual([503, 503]);
});

test("headers reach the client where the framework looks at them", async () => {
  const send = await listenRaw(
    serve(fastify, () => {
      throw new AuthError("missing_token");
    }),
  );

  expect((await send({})).headers["www-authenticate"]).toBe('Bearer realm="api"');
});

test("toProblem makes of what authenticate throws the answer that requireAuth gives", async () => {
  const { service, client } = await startAuth();
  await Promise.all([service.grpc.stop(), service.rest.stop()]);
  const app = express5Face.serve("/", requireAuth({ client, realm: "shop" }) as never);
  for (const [headers, code] of [
    [{}, "missing_token"],
    [{ authorization: "Bearer two words" }, "invalid_request"],
    [{ authorization: "Bearer token-ana" }, "auth_unavailable"],
  ] as const) {
    const answered = await request(app).get("/").set(headers);
    const thrown = await authenticate({ headers }, { client, realm: "shop" }).catch((error) => error);

    const { status, headers: expected, body } = toProblem(thrown);
    expect([answered.status, JSON.parse(answered.text)]).toEqual([status, JSON.parse(body)]);
    expect(JSON.parse(body)).toMatchObject({ status, code });
    for (const [name, value] of Object.entries(expected)) expect(answered.get(name)).toBe(value);
  }
});
