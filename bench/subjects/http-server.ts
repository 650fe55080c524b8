// An HTTP server of one of the kinds below, in a process of its own. All of them answer alike.
import { hash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import express, { type RequestHandler } from "express";
import { expressjwt } from "express-jwt";
import { auth } from "express-oauth2-jwt-bearer";
import Koa from "koa";
import { type AuthClient, createAuthClient, requireAuth } from "portero";
import { requireAuth as requireAuthInKoa } from "portero/koa";
import { expose } from "../kit/process.js";
import { AUDIENCE, ISSUER } from "../kit/tokens.js";

export type ServerKind =
  | "bare Express"
  | "Express with SHA-256"
  | "portero"
  | "express-oauth2-jwt-bearer"
  | "express-jwt"
  | "bare Koa"
  | "Koa with SHA-256"
  | "portero in Koa";

export interface HttpServerOptions {
  readonly kind: ServerKind;
  readonly grpcUrl: string;
  readonly jwksUri: string;
  readonly publicKey: string;
}

export type HttpServerProcess = ReturnType<typeof methodsOf>;

const BODY = { id: "madrid", name: "Tienda Madrid", open: true };

await expose<HttpServerOptions, HttpServerProcess>(async (options) => {
  const client = createAuthClient({ grpc: { url: options.grpcUrl }, cache: { ttlMs: 3_600_000 } });
  const server = createServer(listenerOf(options, client));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return methodsOf((server.address() as AddressInfo).port, client);
});

function methodsOf(port: number, client: AuthClient) {
  return {
    url: () => `http://127.0.0.1:${port}/`,
    /** What this process has taken of the CPU so far, in microseconds. */
    cpuMicros: () => {
      const { user, system } = process.cpuUsage();
      return user + system;
    },
    node: () => process.version,
    cache: () => client.status().cache,
  };
}

function listenerOf({ kind, jwksUri, publicKey }: HttpServerOptions, client: AuthClient): RequestListener {
  switch (kind) {
    case "bare Express":
      return expressWith();
    case "Express with SHA-256":
      return expressWith((req, _res, next) => {
        hashed(req);
        next();
      });
    case "portero":
      return expressWith(requireAuth({ client }));
    case "express-oauth2-jwt-bearer":
      return expressWith(auth({ issuer: ISSUER, audience: AUDIENCE, jwksUri }));
    case "express-jwt":
      return expressWith(
        expressjwt({ secret: publicKey, algorithms: ["RS256"], issuer: ISSUER, audience: AUDIENCE }) as RequestHandler,
      );
    case "bare Koa":
      return koaWith();
    case "Koa with SHA-256":
      return koaWith((ctx, next) => {
        hashed(ctx.req);
        return next();
      });
    case "portero in Koa":
      return koaWith(requireAuthInKoa({ client }));
  }
}

/** What a cache that keeps no tokens must do where a connection brings another one than before. */
function hashed({ headers }: IncomingMessage): string {
  return hash("sha256", (headers.authorization as string).slice("Bearer ".length), "base64url");
}

function expressWith(...middleware: RequestHandler[]): RequestListener {
  const app = express();
  for (const each of middleware) app.use(each);
  app.get("/", (_req, res) => void res.json(BODY));
  return app;
}

function koaWith(...middleware: Koa.Middleware[]): RequestListener {
  const app = new Koa();
  for (const each of middleware) app.use(each);
  app.use((ctx) => {
    ctx.body = BODY;
  });
  return app.callback();
}
