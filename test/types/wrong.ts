import express, { type Request } from "express";
import Koa from "koa";
import {
  type AnyAuthError,
  AuthError,
  cookieToken,
  createAuthClient,
  getAuth,
  requireAuth,
  requireLocal,
  requirePermission,
  requireUser,
} from "portero";
import { requireAuth as requireKoaAuth } from "portero/koa";

const app = express();

// @ts-expect-error there is no such option
app.use(requireAuth({ relm: "api" }));
// @ts-expect-error a realm is text
app.use(requireAuth({ realm: 7 }));
// @ts-expect-error a token source returns text
app.use(requireAuth({ token: () => 7 }));
// @ts-expect-error a permission is text
app.use(requirePermission(["products:read"]));
// @ts-expect-error a source is one of four
app.use(requireLocal({ cookie: "local" }));
// @ts-expect-error there is no such option
app.use(requireLocal("localId", { frehs: true }));
// @ts-expect-error a predicate says true or false
app.use(requireUser(({ user }) => user.email));
// @ts-expect-error and does not forget to say it
app.use(requireUser(({ user }) => void user.email));
// @ts-expect-error origins are a list
cookieToken("session", { trustedOrigins: "https://app.example.com" });
// @ts-expect-error there is no such option
createAuthClient({ grpc: { url: "http://auth:50051", timeout: 5 } });
// @ts-expect-error there is no such code
new AuthError("forbidden");

app.get("/locals/:localId", requireLocal("localId"), (req, res) => {
  // @ts-expect-error the route has no such parameter
  res.json(req.params.localID);
  // @ts-expect-error it may be undefined
  res.json(req.user.id);
  // @ts-expect-error a user has no such field
  res.json(getAuth(req).user.name);
  // @ts-expect-error what getAuth tells is shared, and read-only
  getAuth(req).user.permissions.push("admin");
  // @ts-expect-error the locals are read-only
  req.locals?.push("lugo");
});

app.get("/", (req: Request) => {
  // @ts-expect-error the user is ours, and needs an id
  req.user = { name: "ana" };
});

export function statusOf(error: AnyAuthError): 401 {
  if (error.code === "missing_token") return error.status;
  // @ts-expect-error other codes have other statuses
  return error.status;
}

// @ts-expect-error only optionalAuth lets anybody through as anonymous
app.use(requireAuth({ invalidToken: "anonymous" }));

const koa = new Koa();
// @ts-expect-error this one is for Express
koa.use(requireAuth());
// @ts-expect-error this one is for Koa
app.use(requireKoaAuth());
koa.use((ctx) => {
  // @ts-expect-error it may be undefined
  ctx.body = ctx.state.user.id;
  // @ts-expect-error a user has no such field
  ctx.body = ctx.state.user?.name;
});
