import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { createMiddleware } from "hono/factory";
import { HTTPException } from "hono/http-exception";
import { AuthError, authenticate, toProblem, type VerifiedToken } from "portero/client";

interface Env {
  Variables: { auth: VerifiedToken };
}

const app = new Hono<Env>();

// Status, body, challenge and Retry-After, as everywhere else.
app.onError((error, c) => {
  if (error instanceof AuthError) {
    const { status, headers, body } = toProblem(error);
    return new Response(body, { status, headers });
  }
  if (error instanceof HTTPException) return error.getResponse();
  console.error(error);
  return c.text("Internal Server Error", 500);
});

app.use(async (c, next) => {
  c.set("auth", await authenticate(c.req.raw)); // configured from the environment
  await next();
});

/** A guard, as a middleware. */
const permission = (name: string) =>
  createMiddleware<Env>(async (c, next) => {
    if (!c.var.auth.user.permissions.includes(name)) throw new AuthError("insufficient_scope", { permissions: [name] });
    await next();
  });

app.get("/locals/:localId/products", (c) => {
  const { user, locals } = c.var.auth;
  const local = c.req.param("localId");
  if (!locals.includes(local)) throw new AuthError("insufficient_scope");
  return c.json({ user: user.id, locals, local });
});
app.post("/products", permission("products:write"), (c) => c.json({ by: c.var.auth.user.id }, 201));
app.get("/locals/:localId", () => {
  throw new HTTPException(404);
});

serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) }, ({ port }) => {
  console.log(`http://localhost:${port}`);
});
