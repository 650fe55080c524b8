import type * as http from "node:http";
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from "express";
import Koa, { type Middleware } from "koa";
import request from "supertest";
import { stubAuthClient } from "../../src/testing.js";

export const client = stubAuthClient({ users: { "token-ana": { id: "ana", permissions: ["product:write"] } } });
export const BEARER = { Authorization: "Bearer token-ana" };
export const onThrown: ErrorRequestHandler = (error, _req, res, _next) => {
  res.status(error.status ?? 500).json({ detail: error.message });
};
export const ok: RequestHandler = (_req, res) => {
  res.json({ detail: "let in" });
};

/** Status, `WWW-Authenticate` and what an app says, at `/`. */
export async function ask(
  app: Express | http.RequestListener,
  method: "get" | "post" = "get",
  body?: object,
): Promise<string> {
  const {
    status,
    body: told,
    headers,
  } = await request(app)
    [method]("/locals")
    .set(BEARER)
    .send(body as never);
  return [status, headers["www-authenticate"] ?? "", told.detail].join(" ");
}

/** What an app of Express with these handlers says. */
export const inExpress = (...handlers: unknown[]) =>
  ask(express().use(...(handlers as RequestHandler[]), ok, onThrown));

/** Status and message of an app of Koa with this middleware. */
export async function inKoa(...middleware: unknown[]): Promise<string> {
  const app = new Koa();
  let message = "";
  app.on("error", (error: Error) => {
    message = error.message;
  });
  for (const each of middleware) app.use(each as Middleware);
  const { status } = await request(app.callback()).get("/").set(BEARER);
  return `${status} ${message}`;
}
