import express, { type ErrorRequestHandler, type Request, Router } from "express";
import type {} from "passport"; // installed beside us, and declares `req.user` too
import {
  type AuthClient,
  AuthError,
  getAuth,
  type Handler,
  optionalAuth,
  requireAnyPermission,
  requireAuth,
  requireLocal,
  requireModule,
  requireOrganization,
  requirePermission,
  requireUser,
  type User,
  type VerifiedToken,
} from "portero";

declare const client: AuthClient;

const app = express();

app.use(requireAuth());
app.use("/inventory", requireAuth({ client, realm: "inventory", fresh: true }), requireModule("inventory", "sales"));
app.use(optionalAuth({ client, token: (req) => req.headers["x-token"]?.toString() }));
app.use(optionalAuth({ invalidToken: "anonymous", resourceMetadata: "https://shop.example/metadata" }));

// getAuth is never undefined, and needs no cast.
app.get("/me", (req, res) => {
  const auth: VerifiedToken = getAuth(req);
  const id: string = getAuth(req).user.id;
  const permissions: readonly string[] = getAuth(req).user.permissions;
  const expiresAt: number | undefined = getAuth(req).expiresAt;
  res.json({ id, permissions, expiresAt, source: auth.source });
});

// req.user may be undefined, and is ours.
app.get("/maybe", (req, res) => {
  const user: User | undefined = req.user;
  const email: string | undefined = req.user?.email;
  const locals: readonly string[] | undefined = req.locals;
  res.json({ user, email, locals });
});

// A route keeps the types of its parameters behind a guard.
app.get("/locals/:localId", requireLocal("localId"), (req, res) => {
  const localId: string = req.params.localId;
  res.json({ localId, user: getAuth(req).user.id });
});
app.get(
  "/organizations/:organizationId/locals/:localId",
  requireAuth(),
  requireOrganization("organizationId"),
  requireLocal("localId", { fresh: true, orPermission: "locals:all" }),
  requirePermission("products:read", "products:write"),
  requireAnyPermission("admin", "owner"),
  requireUser(({ user }) => user.email.endsWith("@example.com")),
  (req, res) => {
    const { organizationId, localId }: { organizationId: string; localId: string } = req.params;
    res.json({ organizationId, localId });
  },
);

// Every source, and predicates that look at Express's own request.
app.post("/transfers", requireLocal({ header: "X-Local-ID" }), requireLocal({ query: "local" }));
app.post(
  "/bodies",
  requireLocal((req: Request) => req.body.localIds as string[]),
);
app.post(
  "/moves",
  requireOrganization((req: Request) => req.params.organizationId),
);
app.delete(
  "/",
  requireUser((auth, req: Request) => auth.user.id === req.params.userId),
);
app.delete(
  "/",
  requireUser(async ({ locals }) => locals.length > 0),
);

// Options that look at Express's own request and response.
app.use(
  requireAuth({
    token: (req: Request) => req.cookies?.session,
    onError: (error, _req, _res, next) => next(error),
  }),
);
const answering: Handler = requireAuth({
  onError: (error, req, res) => {
    res.writeHead(error.status, error.headers).end(`${req.url}: ${error.code}`);
  },
});

// A router, as a list, and by itself.
Router().use(answering, [requireAuth(), requirePermission("a")]);

export const onThrown: ErrorRequestHandler = (error, _req, res, next) => {
  if (!(error instanceof AuthError)) return next(error);
  res.status(error.status).set(error.headers).json({ code: error.code });
};
