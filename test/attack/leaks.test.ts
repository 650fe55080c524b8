import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import express from "express";
import Koa from "koa";
import { type AuthClientOptions, authenticate, createAuthClient } from "../../src/client.js";
import { cookieToken, requireAuth, requireLocal } from "../../src/index.js";
import { requireAuth as requireAuthInKoa } from "../../src/koa.js";
import { closeAll } from "../support/http-fixture.js";
import { ManualClock } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { afterwards, openBareClient, openClient, startService } from "../support/open-client.js";
import { listenRaw, type RawHead } from "../support/raw-request.js";
import { closedPort } from "../support/raw-upstreams.js";
import { unsignedJwt } from "../support/unsigned-jwt.js";
import { startEchoGrpc, startEchoRest } from "./echoing-upstreams.js";
import { LeakProbe } from "./leak-probe.js";

/** Every way of one side with every way of the other. */
const MANY_MS = 120_000;
const USER = { userId: "ana", organizationId: "org-1" };

let probe: LeakProbe;
let escaped: unknown[];
const noteEscape = (reason: unknown) => void escaped.push(reason);

beforeEach(() => {
  probe = new LeakProbe();
  escaped = [];
  probe.tapProcess();
  process.on("unhandledRejection", noteEscape).on("warning", noteEscape);
});

afterEach(async () => {
  jest.restoreAllMocks();
  process.off("unhandledRejection", noteEscape).off("warning", noteEscape);
  await closeAll();
});

function expectNoLeak(): void {
  probe.hear("escaped", escaped);
  expect(probe.leaks()).toEqual([]);
}

test("The probe hears a leak, wherever it is.", async () => {
  const token = probe.secret("token");
  probe.hear("plain", `token ${token.slice(0, 12)}…`);
  for (const encoding of ["base64", "base64url"] as const) {
    for (const before of ["", " ", "  "]) {
      probe.hear(encoding, Buffer.from(`${before}{"token":"${token}"}`).toString(encoding));
    }
  }
  probe.hear("hex", Buffer.from(token).toString("hex"));
  await probe.rejection(
    Promise.reject(new Error("outer", { cause: Object.assign(new Error(), { request: { token } }) })),
  );
  console.warn({ authorization: token });
  process.stderr.write(`${token.slice(-12)}\n`);
  probe.logger.error(token);

  const where = probe.leaks().map((leak) => leak.split(":")[0]);
  const encoded = ["base64", "base64url"].flatMap((encoding) => [encoding, encoding, encoding]);
  expect(where).toEqual(
    ["plain", ...encoded, "hex", "error", "console.warn", "stderr", "log"].map((place) => `token in ${place}`),
  );
});

test(
  "Upstreams that send back the token in every way they can, one after the other, leave no trace of it.",
  async () => {
    const clock = new ManualClock();
    const grpc = await startEchoGrpc(afterwards);
    const rest = await startEchoRest(afterwards);
    const key = probe.secret("our own credential");
    const outcomes = new Set<string>();

    for (const grpcMode of grpc.modes) {
      for (const restMode of rest.modes) {
        const client = probe.watch(
          openBareClient({
            grpc: { ...ONE_CONNECTION, url: grpc.url, timeoutMs: 1000 },
            rest: { url: rest.url, timeoutMs: 1000 },
            headers: { "X-Service-Key": key },
            retry: { attempts: 2, initialDelayMs: 0 },
            breaker: { failureThreshold: 1 },
            logger: probe.logger,
            clock,
          }),
        );
        const token = probe.secret(`the token of ${grpcMode} and ${restMode}`);
        grpc.become(grpcMode, token);
        rest.become(restMode);
        const asked = [client.verifyToken(token), client.getUserLocals(USER), client.getOrganization(token)];
        const settled = Promise.all(asked.map((question) => probe.rejection(question)));
        await grpc.settleWith(settled, clock);
        for (const outcome of await settled) outcomes.add(outcome);
        probe.look(client);
        await client.close();
      }
    }

    expect([...outcomes].sort()).toEqual(["auth_unavailable", "invalid_token", "lookup_refused", "resolved"]);
    expect(probe.heardIn("event fallback").length).toBeGreaterThan(0);
    expect(probe.heardIn("event breaker").length).toBeGreaterThan(0);
    expect(probe.heardIn("log").length).toBeGreaterThan(0);
    expectNoLeak();
  },
  MANY_MS,
);

test("What an application plugs in may throw the token about: nothing of it gets further.", async () => {
  const service = await startService();
  const token = probe.secret("token");
  const thrown = Object.assign(new Error(`it was ${token}`), { token, config: { headers: { authorization: token } } });
  const connectError = new ConnectError(token, Code.Unknown, { "x-token": token }, undefined, thrown);
  const transport = (error: unknown) => ({ unary: () => Promise.reject(error), stream: () => Promise.reject(error) });
  const throwing = () => {
    throw thrown;
  };
  const plugs: readonly Partial<AuthClientOptions>[] = [
    { grpc: { interceptors: [() => () => Promise.reject(thrown)] } },
    { headers: throwing },
    { headers: () => Promise.reject(thrown) },
    { headers: () => ({ "X-Key": `${token}\r\n` }) },
    { rest: undefined, grpc: { url: undefined, transport: transport(thrown) as unknown as Transport } },
    { rest: undefined, grpc: { url: undefined, transport: transport(connectError) as unknown as Transport } },
    { random: throwing },
  ];

  for (const plug of plugs) {
    const client = probe.watch(openClient(service, { logger: probe.logger, ...plug }));
    client.on("fallback", throwing);
    client.on("breaker", throwing);
    expect(await probe.rejection(client.verifyToken(token))).not.toBe("resolved");
    await probe.rejection(client.invalidateToken(token));
    await probe.rejection(client.invalidateUser(USER));
    probe.look(client);
  }
  expectNoLeak();
});

test("Requests of every kind are answered without a trace of what they carried.", async () => {
  const [good, gone, bad, opaque] = ["good", "gone", "bad", "opaque"].map((name) => probe.secret(name)) as [
    string,
    string,
    string,
    string,
  ];
  const jwt = unsignedJwt({ sub: opaque, exp: 4_000_000_000 });
  const service = await startService({
    users: { [good]: { id: "ana", locals: ["madrid"] }, [jwt]: { id: "ana" }, [gone]: { id: "gone", isActive: false } },
  });
  const clock = new ManualClock();
  const stores = [new MemoryStore(clock), new MemoryStore(clock)];
  const secret = probe.secret("cache.secret");
  const clients = stores.map((store, index) =>
    probe.watch(openClient(service, { clock, logger: probe.logger, cache: { store, ...(index && { secret }) } })),
  );
  const requests = [good, gone, bad, jwt, `${good}!`, `${good} ${bad}`, "x".repeat(8192) + bad].map(
    (token): RawHead => ({ headers: [`Authorization: Bearer ${token}`] }),
  );
  requests.push(
    { headers: [`Authorization: Bearer ${good}`, `Authorization: Bearer ${bad}`] },
    { headers: [`Authorization: Basic ${good}`] },
    { headers: [`Authorization: Bearer\t${good}`] },
    { line: `POST /?token=${good} HTTP/1.1`, headers: [`Cookie: s=${good}`, "Sec-Fetch-Site: cross-site"] },
    { headers: [`Cookie: s=${good}; s=${bad}`] },
    { headers: [`Cookie: s=${bad}`] },
  );
  const handingOn = {
    onError: (error: unknown, _req: unknown, _res: unknown, next: (error: unknown) => void) => next(error),
  };

  for (const client of clients) {
    const doors = [{}, { token: cookieToken("s") }, { fresh: true }, handingOn].map((options) =>
      express()
        .set("env", "development") // prints what nobody handled
        .use(
          requireAuth({ client, ...options }),
          requireLocal(() => "lugo", { fresh: true }),
        ),
    );
    const koa = new Koa();
    koa.use(requireAuthInKoa({ client, onError: (error) => Promise.reject(error) }));
    const listeners = [...doors, koa.callback()];
    for (const outage of [false, true]) {
      if (outage) for (const side of [service.grpc, service.rest]) side.fail();
      for (const listener of listeners) {
        const send = await listenRaw(listener);
        for (const head of requests) probe.hear("response", await send(head));
      }
      for (const side of [service.grpc, service.rest]) side.allow();
    }
    await probe.rejection(authenticate({ headers: { authorization: `Bearer ${bad}` } }, { client }));
    await probe.rejection(client.invalidateToken(good));
    probe.look(client);
  }
  for (const store of stores) probe.hear("store", [...store.texts, ...store.log]);

  const statuses = new Set(probe.heardIn("response").map((text) => /status: (\d+)/.exec(text)?.[1]));
  expect([...statuses].sort()).toEqual(["400", "401", "403", "404", "503"]);
  expect(stores.every(({ log }) => log.length > 0)).toBe(true);
  expectNoLeak();
});

test("The default logger writes no secret of the settings, and no token.", async () => {
  const [token, password, secret, key] = ["token", "password", "cache.secret", "key"].map((name) =>
    probe.secret(name),
  ) as [string, string, string, string];
  const service = await startService();
  service.grpc.fail();
  const client = createAuthClient({
    grpc: { url: service.grpc.url.replace("//", `//user:${password}@`) },
    rest: { url: `http://user:${password}@127.0.0.1:${await closedPort()}` },
    breaker: { failureThreshold: 1 },
    headers: { "X-Service-Key": key },
    cache: { redisUrl: `redis://:${password}@127.0.0.1:${await closedPort()}`, secret, namespace: "shop" },
  });
  afterwards(() => client.close());
  probe.watch(client);

  expect(await probe.rejection(client.verifyToken(token))).toBe("auth_unavailable");
  await probe.rejection(client.invalidateToken(token));
  await probe.rejection(client.invalidateUser(USER));
  probe.look(client);
  await client.close();
  await probe.rejection(client.verifyToken(token));

  expect(probe.heardIn("console.warn").join()).toContain("the breaker of grpc is open");
  expectNoLeak();
});
