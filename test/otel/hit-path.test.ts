import { afterEach, expect, test } from "@jest/globals";
import type { MeterProvider, TracerProvider } from "@opentelemetry/api";
import express from "express";
import { requireAuth, requireLocal, requirePermission } from "../../src/index.js";
import { instrument } from "../../src/otel.js";
import { TestMeters } from "../support/collected.js";
import { closeAll } from "../support/http-fixture.js";
import { openClient, startService } from "../support/open-client.js";
import { listenRaw } from "../support/raw-request.js";
import { TestTraces } from "../support/traced.js";

afterEach(closeAll);

/** Throws at each call of a method, in an object or what its methods return, once it is armed. */
class Mine {
  armed = false;
  trodden = 0;

  around<T extends object>(inner: T): T {
    return new Proxy(inner, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== "function") return value;
        return (...given: unknown[]) => {
          if (this.armed) {
            this.trodden++;
            throw new Error("a meter or a tracer that throws");
          }
          const made: unknown = value.apply(target, given);
          return typeof made === "object" && made !== null ? this.around(made) : made;
        };
      },
    });
  }
}

test("A meter and a tracer that throw see nothing of a hit, and cost no answer.", async () => {
  const users = { "token-ana": { id: "ana", locals: ["madrid"], permissions: ["read"] } };
  const client = openClient(await startService({ users }));
  const mine = new Mine();
  const meters = new TestMeters();
  instrument(client, {
    meterProvider: mine.around<MeterProvider>(meters.provider),
    tracerProvider: mine.around<TracerProvider>(new TestTraces("app").provider),
    spanAttributes: () => {
      throw new Error("of the application");
    },
  });
  const app = express()
    .use(requireAuth({ client }))
    .get("/:local", requireLocal("local"), requirePermission("read"), (_req, res) => void res.end("let in"));
  const send = await listenRaw(app);
  const get = async (token: string) =>
    (await send({ line: "GET /madrid HTTP/1.1", headers: [`Authorization: Bearer ${token}`] })).status;

  expect(await get("token-ana")).toBe(200);
  mine.armed = true;
  for (let hit = 0; hit < 20; hit++) expect(await get("token-ana")).toBe(200);
  expect((await client.verifyToken("token-ana")).source).toBe("process");
  expect(client.status().cache.hits).toBe(21);
  expect(mine.trodden).toBe(0);

  // All else meets them, and is answered as it would be.
  expect(await get("token-bad")).toBe(401);
  expect((await client.verifyToken("token-ana", { fresh: true })).source).toBe("grpc");
  expect(mine.trodden).toBeGreaterThan(0);
  mine.armed = false;
  await meters.shutdown();
});
