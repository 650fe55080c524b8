import type { IncomingMessage } from "node:http";
import type { RequestAccess } from "./guard-source.js";

/** What Express adds to Node's request. */
type ExpressRequest = IncomingMessage & {
  params?: Record<string, unknown>;
  query?: Record<string, unknown>;
  route?: { path?: unknown };
};

/** How guards read a request of Express. */
export const expressAccess: RequestAccess<IncomingMessage> = {
  node: (req) => req,
  params: (req) => (req as ExpressRequest).params,
  query: (req) => (req as ExpressRequest).query,
  routePath: (req) => (req as ExpressRequest).route?.path,
};
