import { once } from "node:events";
import * as http from "node:http";
import { afterEach, describe, expect, test } from "@jest/globals";
import express, { type ErrorRequestHandler } from "express";
import express4 from "express4";
import Koa from "koa";
import Koa2 from "koa2";
import request from "supertest";
import { type AuthOptions, requireAuth, requirePermission } from "../../src/index.js";
import * as forKoa from "../../src/koa.js";
import { bearer, closeAll, startAuth } from "../support/http-fixture.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { listen } from "../support/raw-request.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { until } from "../support/until.js";

afterEach(closeAll);

/** Three of them are over before the client does anything by itself. */
const DEADLINE_MS = 300;

async function open() {
  const [clock, logger] = [new ManualClock(), new RecordingLogger()];
  const cache = { recentBytes: 0 }; // no timer of theirs among those that are counted
  const { client } = await startAuth({}, { clock, logger, deadlineMs: DEADLINE_MS, cache });
  await client.verifyToken("token-ana");
  const idle = clock.pending; // what the client itself waits for
  return { clock, logger, client, watches: () => clock.pending - idle };
}

/** Sends a request that may never be answered; `gone` hangs up. */
async function send(listener: http.RequestListener, headers: Record<string, string>) {
  const port = await listen(http.createServer(listener));
  const sent = http.get({ port, headers, agent: false });
  sent.on("error", () => undefined);
  return {
    answered: once(sent, "response").then(
      ([{ statusCode }]) => statusCode as number,
      () => undefined, // it hung up
    ),
    gone: () => sent.destroy(),
  };
}

const lineOf = (caller: string, omitted: string) =>
  `warn portero: the onError of ${caller} has ${omitted} within ${DEADLINE_MS} ms: its request waits`;

type OnError = NonNullable<AuthOptions["onError"]>;

describe.each([
  ["Express 5", express],
  ["Express 4", express4],
])("in %s an onError", (_name, create) => {
  /** An app whose `onError` is this one, and a guard behind. */
  function appWith(onError: OnError, client: Awaited<ReturnType<typeof open>>["client"]) {
    const onThrown: ErrorRequestHandler = (_error, _req, res, _next) => {
      res.status(418).end();
    };
    return create().use(requireAuth({ client, onError }), requirePermission("admin")).use(onThrown);
  }
  const NEITHER = "neither answered nor called next";

  test.each<[string, Record<string, string>, string]>([
    ["the middleware's own error", bearer("two words"), "requireAuth()"],
    ["a guard's", bearer("token-ana"), "requireAuth(), called for requirePermission(),"],
  ])(
    "that does nothing with %s is a line in the log, at the client's deadline and once",
    async (_what, headers, caller) => {
      const { clock, logger, client, watches } = await open();
      let calls = 0;
      const app = appWith(() => void calls++, client);

      const first = await send(app, headers);
      const second = await send(app, headers);
      await until(() => calls === 2);
      await clock.advance(DEADLINE_MS - 1);
      expect([logger.lines, watches()]).toEqual([[], 2]);
      await clock.advance(1);
      expect(logger.lines).toEqual([lineOf(caller, NEITHER)]);
      for (const { gone } of [first, second]) gone();

      const third = await send(app, headers);
      await until(() => calls === 3);
      await clock.advance(DEADLINE_MS);
      expect([logger.lines.length, watches()]).toEqual([1, 0]);
      third.gone();
    },
  );

  test("whose promise never settles is one too", async () => {
    const { clock, logger, client } = await open();
    let calls = 0;
    const app = appWith(() => {
      calls++;
      return new Promise<void>(() => undefined) as never;
    }, client);

    const { gone } = await send(app, {});
    await until(() => calls === 1);
    await clock.advance(DEADLINE_MS);
    expect(logger.lines).toEqual([lineOf("requireAuth()", NEITHER)]);
    gone();
  });

  test.each<[string, OnError, number]>([
    ["answers", (_error, _req, res) => void res.writeHead(402).end(), 402],
    [
      "answers later",
      async (_error, _req, res) => {
        await settle();
        res.writeHead(402).end();
      },
      402,
    ],
    ["hands it on", (error, _req, _res, next) => next(error), 418],
    [
      "hands it on later",
      async (error, _req, _res, next) => {
        await settle();
        next(error);
      },
      418,
    ],
    [
      "throws",
      () => {
        throw new Error("no template");
      },
      418,
    ],
    [
      "rejects later",
      async () => {
        await settle();
        throw new Error("no template");
      },
      418,
    ],
  ])("that %s is none, and is watched no longer", async (_what, onError, expected) => {
    const { clock, logger, client, watches } = await open();

    const { status } = await request(appWith(onError, client)).get("/").set(bearer("token-ana"));

    await until(() => watches() === 0);
    await clock.advance(DEADLINE_MS);
    expect([status, logger.lines]).toEqual([expected, []]);
  });

  test("that has begun to answer is none", async () => {
    const { clock, logger, client } = await open();
    const app = appWith((_error, _req, res) => void setImmediate(() => res.writeHead(200).write("slowly")), client);

    const { answered, gone } = await send(app, {});
    expect(await answered).toBe(200);
    await clock.advance(DEADLINE_MS);
    expect(logger.lines).toEqual([]);
    gone();
  });

  test("whose client has gone is none", async () => {
    const { clock, logger, client, watches } = await open();
    let calls = 0;
    const { gone } = await send(
      appWith(() => void calls++, client),
      {},
    );
    await until(() => calls === 1);
    gone();
    await until(() => watches() === 0);
    await clock.advance(DEADLINE_MS);
    expect(logger.lines).toEqual([]);
  });
});

describe.each([
  ["Koa 3", () => new Koa()],
  ["Koa 2", () => new Koa2()],
])("in %s an onError", (_name, create) => {
  function appWith(onError: forKoa.KoaAuthOptions["onError"], client: Awaited<ReturnType<typeof open>>["client"]) {
    const app = create();
    app.silent = true;
    return app.use(forKoa.requireAuth({ client, onError })).use(forKoa.requirePermission("admin")).callback();
  }

  test.each<[string, Record<string, string>, string]>([
    ["the middleware's own error", bearer("two words"), "requireAuth()"],
    ["a guard's", bearer("token-ana"), "requireAuth(), called for requirePermission(),"],
  ])("whose promise never settles, with %s, is a line in the log, once", async (_what, headers, caller) => {
    const { clock, logger, client } = await open();
    let calls = 0;
    const app = appWith(() => {
      calls++;
      return new Promise(() => undefined);
    }, client);

    for (let time = 1; time <= 2; time++) {
      const { gone } = await send(app, headers);
      await until(() => calls === time);
      await clock.advance(DEADLINE_MS);
      expect(logger.lines).toEqual([lineOf(caller, "not settled")]);
      gone();
    }
  });

  test.each<[string, NonNullable<forKoa.KoaAuthOptions["onError"]>, number]>([
    ["answers", (_error, ctx) => void Object.assign(ctx, { status: 402 }), 402],
    [
      "answers later",
      async (_error, ctx) => {
        await settle();
        ctx.status = 402;
      },
      402,
    ],
    ["rejects later", async (error) => settle().then(() => Promise.reject(error)), 403],
    ["does nothing, which Koa answers", () => undefined, 404],
  ])("that %s is none, and is watched no longer", async (_what, onError, expected) => {
    const { clock, logger, client, watches } = await open();

    const { status } = await request(appWith(onError, client)).get("/").set(bearer("token-ana"));

    await until(() => watches() === 0);
    await clock.advance(DEADLINE_MS);
    expect([status, logger.lines]).toEqual([expected, []]);
  });

  test("whose client has gone is none", async () => {
    const { clock, logger, client, watches } = await open();
    let calls = 0;
    const app = appWith(() => {
      calls++;
      return new Promise(() => undefined);
    }, client);
    const { gone } = await send(app, {});
    await until(() => calls === 1);
    gone();
    await until(() => watches() === 0);
    await clock.advance(DEADLINE_MS);
    expect(logger.lines).toEqual([]);
  });
});
