import fastify, { type FastifyRequest } from "fastify";
import { AuthError, authenticate, getAuth, toProblem } from "portero";

const app = fastify();

// Status, body, challenge and Retry-After, as everywhere else. What is no AuthError goes to Fastify's own handler.
app.setErrorHandler((error, _request, reply) => {
  if (!(error instanceof AuthError)) throw error;
  const { status, headers, body } = toProblem(error);
  return reply.code(status).headers(headers).send(body);
});

/** A guard, as a hook. */
const permission = (name: string) => async (request: FastifyRequest) => {
  if (getAuth(request).user.permissions.includes(name)) return;
  throw new AuthError("insufficient_scope", { permissions: [name] });
};
const local = async (request: FastifyRequest<{ Params: { localId: string } }>) => {
  if (!getAuth(request).locals.includes(request.params.localId)) throw new AuthError("insufficient_scope");
};

app.get("/open", async () => ({ open: true }));

// The hook holds for what is registered beside it.
app.register(async (shop) => {
  shop.addHook("onRequest", async (request) => {
    await authenticate(request, { attach: true }); // configured from the environment
  });

  shop.get<{ Params: { localId: string } }>("/locals/:localId/products", { onRequest: local }, async (request) => ({
    user: getAuth(request).user.id,
    locals: getAuth(request).locals,
    local: request.params.localId,
  }));
  shop.post("/products", { onRequest: permission("products:write") }, async (request, reply) => {
    reply.code(201);
    return { by: getAuth(request).user.id };
  });
});

console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }));
