import type { IncomingMessage, ServerResponse } from "node:http";
import type { RequestAccess } from "./guard-source.js";
import type { RequestLike } from "./request.js";

/** What portero uses of Koa's context: Koa 2 and 3 have it, with any state and with any router. */
export interface KoaContext extends RequestLike {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly query: Readonly<Record<string, unknown>>;
  state: object;
  status: number;
  body: unknown;
  set(headers: Record<string, string>): void;
}

/** What routers add to the context. */
type RoutedContext = KoaContext & { params?: Record<string, unknown>; routerPath?: unknown; _matchedRoute?: unknown };

/** How guards read a context of Koa. */
export const koaAccess: RequestAccess<KoaContext> = {
  node: (ctx) => ctx.req,
  params: (ctx) => (ctx as RoutedContext).params,
  query: (ctx) => ctx.query,
  routePath: (ctx) => (ctx as RoutedContext)._matchedRoute ?? (ctx as RoutedContext).routerPath,
  placeOfGuards: "Mount the guard on the route itself.",
};
