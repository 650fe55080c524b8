import express from "express";
import { requireAuth, requireLocal, requirePermission, requireUser } from "../../src/index.js";
import { ask, client, inExpress, ok, onThrown } from "./apps.js";
import { type Mistake, messageOf } from "./mistake.js";

/** Of guards: said when they are made, or to the first request. */
export const guardRows: readonly Mistake[] = [
  {
    is: "a guard before requireAuth",
    make: () => inExpress(requirePermission("products:write"), requireAuth({ client })),
    says: ["500", "requirePermission() needs requireAuth() before it", "app.use(requireAuth())"],
  },
  {
    is: "a parameter that the route does not have",
    make: () => ask(express().use(requireAuth({ client })).get("/:local", requireLocal("localId"), ok).use(onThrown)),
    says: ["500", 'requireLocal("localId"): this route has no parameter "localId" (it has: local)'],
  },
  {
    is: "app.use(requireLocal(…))",
    make: () => inExpress(requireAuth({ client }), requireLocal("localId")),
    says: ["500", 'this route has no parameter "localId" (it has: none). Mount the guard on the route itself'],
  },
  {
    is: "a route's pattern in the place of its parameter",
    make: () => messageOf(() => requireLocal(":localId")),
    says: ["a route parameter's name alone, as localId of /:localId"],
  },
  {
    is: "a guard that reads the body without a body parser",
    make: () =>
      ask(
        express()
          .use(
            requireAuth({ client }),
            requireLocal((req: express.Request) => req.body.localId),
            ok,
          )
          .use(onThrown),
        "post",
        { localId: "madrid" },
      ),
    says: ["500", "requireLocal(source) reads the body, which nothing has parsed", "app.use(express.json())"],
  },
  {
    is: "a guard that reads the body with care, without a body parser",
    make: () =>
      ask(
        express()
          .use(
            requireAuth({ client }),
            requireLocal((req: express.Request) => req.body?.localId),
            ok,
          )
          .use(onThrown),
        "post",
        { localId: "madrid" },
      ),
    says: ["400", "The request has no value for what it is about. Its body was not parsed."],
  },
  {
    is: "a guard's source that is async",
    make: () => inExpress(requireAuth({ client }), requireLocal((async () => "madrid") as never)),
    says: [
      "500",
      "requireLocal(source) must return a string or a list of strings, got a Promise: it must not be async",
    ],
  },
  {
    is: "a guard's source that returns a Set",
    make: () => inExpress(requireAuth({ client }), requireLocal((() => new Set(["madrid"])) as never)),
    says: ["500", "requireLocal(source) must return a string or a list of strings, got a Set"],
  },
  {
    is: "a guard's source that returns a number",
    make: () => inExpress(requireAuth({ client }), requireLocal((() => 5) as never)),
    says: ["400", "The request's value for what it is about is a number, and no string."],
  },
  {
    is: "a predicate that returns what it found",
    make: () =>
      inExpress(
        requireAuth({ client }),
        requireUser(({ user }) => user.permissions[0] as never),
      ),
    says: ["500", "requireUser(predicate) must return true or false, or a promise of it, got a string"],
  },
  {
    is: "two permissions in one text",
    make: () => messageOf(() => requirePermission("products:read,products:write")),
    says: ['write 2 names: requirePermission("products:read", "products:write")'],
  },
  {
    is: "a permission that a stub's user has by another name",
    make: () => inExpress(requireAuth({ client }), requirePermission("products:write")),
    says: ["403", 'scope="products:write"'],
  },
];
