import type { IncomingMessage, ServerResponse } from "node:http";
import type { RequestAccess } from "./guard-source.js";

export type Next = (error?: unknown) => void;
/** Typed over Node's request and response, so that it fits Express 4 and 5, and routes keep the types of their parameters. */
export type Handler<R = IncomingMessage> = (req: R, res: ServerResponse, next: Next) => void;

/** What Express adds to Node's request, and what is attached to it here. */
export type ExpressRequest = IncomingMessage & {
  params?: Record<string, unknown>;
  query?: Record<string, unknown>;
  route?: { path?: unknown };
  user?: unknown;
  locals?: readonly string[] | undefined;
};

/** How guards read a request of Express. */
export const expressAccess: RequestAccess<IncomingMessage> = {
  node: (req) => req,
  params: (req) => (req as ExpressRequest).params,
  query: (req) => (req as ExpressRequest).query,
  routePath: (req) => (req as ExpressRequest).route?.path,
  placeOfGuards: "Mount the guard on the route itself, or make the nested router with mergeParams.",
};
