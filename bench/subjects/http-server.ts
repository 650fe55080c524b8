// An HTTP server that is of several kinds by turns, in a process of its own. All of them answer alike.
import { hash } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
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
import { type TurnLength, type TurnSamples, Turns } from "../kit/turns.js";

export type ServerKind =
  | "bare Express"
  | "Express with SHA-256"
  | "portero"
  | "express-oauth2-jwt-bearer"
  | "express-jwt"
  | "bare Koa"
  | "Koa with SHA-256"
  | "portero in Koa";

export interface HttpServerOptions extends TurnLength {
  readonly kinds: readonly ServerKind[];
  readonly grpcUrl: string;
  readonly jwksUri: string;
  readonly publicKey: string;
  /** A file with a token on each line: the users that are in the cache before the first request. */
  readonly tokensFile: string;
}

export type HttpServerProcess = ReturnType<typeof methodsOf>;

const BODY = { id: "madrid", name: "Tienda Madrid", open: true };
/** Verifications under way at once while the cache is filled. */
const AT_ONCE = 100;

await expose<HttpServerOptions, HttpServerProcess>(async (options) => {
  const client = createAuthClient({
    grpc: { url: options.grpcUrl, timeoutMs: 60_000, hedgeMs: 60_000 },
    cache: { ttlMs: 3_600_000 },
  });
  await fill(client, (await readFile(options.tokensFile, "utf8")).split("\n"));
  const listeners = new Map(options.kinds.map((kind) => [kind, listenerOf(kind, options, client)]));
  const turns = new Turns(listeners, options);
  const server = createServer(turns.listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return methodsOf((server.address() as AddressInfo).port, turns);
});

function methodsOf(port: number, turns: Turns<ServerKind>) {
  return {
    url: () => `http://127.0.0.1:${port}/`,
    /** Rounds since the last time that it was asked to forget. In a round every kind has one turn, in an order that chance gives. */
    rounds: () => turns.rounds,
    forget: () => turns.forget(),
    samples: (): TurnSamples<ServerKind> => turns.samples,
  };
}

async function fill(client: AuthClient, tokens: readonly string[]): Promise<void> {
  for (let start = 0; start < tokens.length; start += AT_ONCE)
    await Promise.all(tokens.slice(start, start + AT_ONCE).map((token) => client.verifyToken(token)));
}

function listenerOf(kind: ServerKind, { jwksUri, publicKey }: HttpServerOptions, client: AuthClient): RequestListener {
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
