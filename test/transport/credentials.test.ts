import { inspect } from "node:util";
import { describe, expect, jest, test } from "@jest/globals";
import { createAuthClient } from "../../src/client.js";
import { startAuthService } from "../../src/testing.js";
import type { CredentialHeaders } from "../../src/transport/credentials.js";
import { closedAfterEach } from "../support/after-each.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { RecordingLogger } from "../support/recording-logger.js";

const opened = closedAfterEach();
const REF = { userId: "ana", organizationId: "org-1" };

async function start(headers: CredentialHeaders, clock?: ManualClock) {
  const service = opened(
    await startAuthService({ users: { "token-ana": { id: "ana", locals: ["madrid"] }, "token-bea": { id: "bea" } } }),
  );
  const logger = new RecordingLogger();
  const client = opened(
    createAuthClient({
      grpc: { url: service.grpc.url, timeoutMs: 10_000 },
      rest: { url: service.rest.url, timeoutMs: 20_000 },
      retry: { attempts: 2 },
      random: () => 0,
      headers,
      logger,
      ...(clock && { clock }),
    }),
  );
  return { service, client, logger };
}

describe("our own credentials", () => {
  const SECRETS: readonly [string, () => CredentialHeaders][] = [
    ["an object", () => ({ authorization: "Bearer own", "X-Service": "catalog" })],
    ["a function", () => () => ({ authorization: "Bearer own", "X-Service": "catalog" })],
    ["an async function", () => async () => ({ authorization: "Bearer own", "X-Service": "catalog" })],
  ];

  test.each(SECRETS)("from %s go to gRPC as metadata", async (_name, headers) => {
    const { service, client } = await start(headers());
    await client.verifyToken("token-ana");
    expect(service.grpc.lastRequest?.headers).toMatchObject({ authorization: "Bearer own", "x-service": "catalog" });
  });

  test.each(SECRETS)("from %s go to REST as headers", async (_name, headers) => {
    const { service, client } = await start(headers());
    await service.grpc.stop();
    await client.getUserLocals(REF);
    expect(service.rest.lastRequest?.headers).toMatchObject({
      authorization: "Bearer own",
      "x-service": "catalog",
      "x-tenant-id": "org-1",
    });
  });

  test("do not replace the organization that is asked for", async () => {
    const { service, client } = await start({ "x-tenant-id": "org-2" });
    await service.grpc.stop();
    expect(await client.getUserLocals(REF)).toEqual(["madrid"]);
    expect(service.rest.lastRequest?.headers).toMatchObject({ "x-tenant-id": "org-1" });
  });

  test("are those that the object had when the client was made", async () => {
    const headers = { authorization: "Bearer own" };
    const { service, client } = await start(headers);
    headers.authorization = "Bearer other";
    await client.verifyToken("token-ana");
    expect(service.grpc.lastRequest?.headers.authorization).toBe("Bearer own");
  });

  test("are fetched once for a question, and not for a cached answer", async () => {
    const headers = jest.fn(() => ({ authorization: "Bearer own" }));
    const { service, client } = await start(headers);
    await service.grpc.stop();
    await client.verifyToken("token-ana"); // over both upstreams
    await client.verifyToken("token-ana");
    expect(headers).toHaveBeenCalledTimes(1);
    await client.verifyToken("token-bea");
    expect(headers).toHaveBeenCalledTimes(2);
  });
});

describe("a function that gives no credentials is an outage, and nobody is asked", () => {
  test.each<[string, CredentialHeaders]>([
    ["throws", () => raise(new Error("the vault says: s3cret"))],
    ["rejects", async () => raise(new Error("the vault says: s3cret"))],
    ["returns a value that is no header", () => ({ authorization: "s3cret\r\nx-admin: 1" })],
    ["returns a name that is no header", () => ({ "s3cret name": "1" })],
    ["returns a header without a value", () => ({ authorization: undefined as unknown as string })],
    ["returns an empty header", () => ({ authorization: "" })],
    ["returns a scheme before a variable that is not set", () => ({ authorization: `Bearer ${undefined}` })],
    ["returns nothing", () => undefined as unknown as Record<string, string>],
  ])("when it %s", async (_name, headers) => {
    const { service, client } = await start(headers);
    const error = await client.verifyToken("token-ana").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "auth_unavailable", status: 503 });
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain("s3cret");
    expect(service.calls.total).toBe(0);
    expect(client.status()).toMatchObject({ grpc: { failures: 0 }, rest: { failures: 0 } });
  });

  test.each<[object, string]>([
    [{ Authorization: "Bearer undefined" }, 'the header Authorization is "undefined" behind its scheme'],
    [{ "x-key": "null" }, 'the header x-key is "null"'],
    [{ "x-key": undefined }, "the header x-key is nothing"],
    [{ "s3cret name": "" }, "a header is nothing"],
  ])("where a variable is not set, the line says so: %j", async (headers, says) => {
    const { client, logger } = await start(() => headers as Record<string, string>);
    await client.verifyToken("token-ana").catch(() => undefined);
    expect(logger.lines).toEqual([
      `error portero: the function given as "headers" failed: ${says}: its variable is not set`,
    ]);
  });

  test("when it hangs: at the deadline, less the time that a try needs", async () => {
    const clock = new ManualClock();
    const { service, client } = await start(() => new Promise(() => undefined), clock);
    let settled = false;
    const failure = client.verifyToken("token-ana").catch((thrown: unknown) => thrown);
    void failure.finally(() => {
      settled = true;
    });
    await clock.advance(30_000 - 20 - 1);
    expect(settled).toBe(false);
    await clock.advance(1);
    expect(await failure).toMatchObject({ code: "auth_unavailable", status: 503 });
    expect(service.calls.total).toBe(0);
  });

  test("and when it recovers, the next question is asked; one line says each time that it fails", async () => {
    let broken = true;
    const clock = new ManualClock();
    const headers = () => (broken ? raise(new TypeError("s3cret is undefined")) : { authorization: "Bearer own" });
    const { client, logger } = await start(headers, clock);
    const line = 'error portero: the function given as "headers" failed: TypeError';
    for (let n = 0; n < 3; n++) await client.verifyToken("token-ana").catch(() => undefined);
    expect(logger.lines).toEqual([line]);
    broken = false;
    expect(await client.verifyToken("token-ana")).toMatchObject({ source: "grpc" });
    broken = true;
    await client.verifyToken("token-bea").catch(() => undefined);
    expect(logger.lines).toEqual([line]); // a flood of lines helps nobody
    broken = false;
    await client.verifyToken("token-bea");
    await clock.advance(60_000);
    broken = true;
    await client.verifyToken("token-ana", { fresh: true }).catch(() => undefined);
    expect(logger.lines).toEqual([line, line]);
  });

  test.each([{ name: "s3cret\nand more" }, { name: Symbol("s3cret") }, null, "s3cret"])(
    "and what it throws is no error: %p",
    async (thrown) => {
      const { client, logger } = await start(() => raise(thrown as Error));
      const error = await client.verifyToken("token-ana").catch((failure: unknown) => failure);
      expect(error).toMatchObject({ code: "auth_unavailable", cause: { name: "UnavailableError" } });
      expect(logger.lines).toEqual([`error portero: the function given as "headers" failed: ${typeof thrown}`]);
    },
  );

  test("close() ends the wait for it", async () => {
    const { client } = await start(() => new Promise(() => undefined));
    const failure = client.verifyToken("token-ana").catch((thrown: unknown) => thrown);
    await settle();
    await client.close();
    expect(await failure).toMatchObject({ code: "auth_unavailable" });
  });
});

function raise(error: Error): never {
  throw error;
}
