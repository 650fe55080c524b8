import * as http from "node:http";
import type { Operation } from "../transport/operation.js";
import type { Directory } from "./directory.js";
import { type Place, Side, type SideServer } from "./side.js";

/** JSON, unless there is a `text`. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly text?: string;
}

/** Answers a request that is none of the contract's; `undefined` where it is none of its own either. */
export type OtherRoutes = (request: Pick<http.IncomingMessage, "method" | "headers">, url: URL) => Answer | undefined;

interface Route {
  readonly operation: Operation;
  readonly method: string;
  readonly path: RegExp;
  answer(directory: Directory, request: { id: string; tenant: string; body: { token?: unknown } }): Answer;
}

/** A request that cannot be read, and why. */
class UnreadableError extends Error {}

const NOT_FOUND: Answer = { status: 404, body: { detail: "not found" } };

const ROUTES: readonly Route[] = [
  {
    operation: "VerifyToken",
    method: "POST",
    path: /^\/auth\/verify()$/,
    answer(directory, { body }) {
      const user = directory.byToken(String(body.token));
      if (!user) return { status: 401, body: { detail: "no such token" } };
      const { id, organizationId, email, isActive, permissions, locals } = user;
      return {
        status: 200,
        body: { user_id: id, organization_id: organizationId, email, is_active: isActive, permissions, locals },
      };
    },
  },
  {
    operation: "GetUserLocals",
    method: "GET",
    path: /^\/api\/v1\/users\/([^/]+)\/locals$/,
    answer(directory, { id, tenant }) {
      const user = directory.byId(id, tenant);
      return user ? { status: 200, body: { locals: user.locals.map((local) => ({ id: local })) } } : NOT_FOUND;
    },
  },
  {
    operation: "GetUserPermissions",
    method: "GET",
    path: /^\/api\/v1\/users\/([^/]+)\/permissions$/,
    answer(directory, { id, tenant }) {
      const user = directory.byId(id, tenant);
      return user ? { status: 200, body: { permissions: user.permissions } } : NOT_FOUND;
    },
  },
  {
    operation: "GetOrganization",
    method: "GET",
    path: /^\/api\/v1\/organizations\/([^/]+)$/,
    answer(directory, { id }) {
      const organization = directory.organization(id);
      if (!organization) return NOT_FOUND;
      const { isActive, ...rest } = organization;
      return { status: 200, body: { ...rest, is_active: isActive } };
    },
  },
];

/** The REST side: a real HTTP server. */
export class RestSide extends Side {
  readonly #directory: Directory;
  readonly #otherRoutes: OtherRoutes | undefined;

  constructor(directory: Directory, place: Place, otherRoutes?: OtherRoutes) {
    super(place);
    this.#directory = directory;
    this.#otherRoutes = otherRoutes;
  }

  protected createServer(): SideServer {
    const server = http.createServer((request, response) => {
      this.#serve(request).then(
        ({ status, body, text }) => {
          const type = text === undefined ? "application/json" : "text/plain; charset=utf-8";
          response.writeHead(status, { "Content-Type": type }).end(text ?? JSON.stringify(body ?? {}));
        },
        (error: unknown) => {
          if (!(error instanceof UnreadableError)) return void response.destroy();
          response.writeHead(400, { "Content-Type": "application/json" });
          response.end(JSON.stringify({ detail: error.message }));
        },
      );
    });
    return { server, endConnections: () => server.closeAllConnections() };
  }

  async #serve(request: http.IncomingMessage): Promise<Answer> {
    const text = await readBody(request);
    const url = urlOf(request, this.url);
    const { pathname } = url;
    const route = ROUTES.find(({ method, path }) => method === request.method && path.test(pathname));
    if (!route) return this.#otherRoutes?.(request, url) ?? NOT_FOUND;
    const behaviour = await this.take(route.operation, request.headers);
    if (behaviour.kind === "refuse") return { status: behaviour.code ?? 401 };
    if (behaviour.kind === "fail") return { status: behaviour.code ?? 503 };
    const id = decoded(route.path.exec(pathname)?.[1] ?? "");
    const tenant = String(request.headers["x-tenant-id"] ?? "");
    return route.answer(this.#directory, { id, tenant, body: bodyIn(text) });
  }
}

function urlOf({ url = "/" }: http.IncomingMessage, base: string): URL {
  // A path of two slashes at its beginning would be read as a host.
  const whole = url.startsWith("/") ? `${base}${url}` : url;
  if (!URL.canParse(whole)) throw new UnreadableError("not a path that can be read");
  return new URL(whole);
}

function decoded(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    throw new UnreadableError("not a path that can be read");
  }
}

/** An object; without a body, an empty one. */
function bodyIn(text: string): { token?: unknown } {
  if (text === "") return {};
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new UnreadableError("the body is no JSON");
  }
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw new UnreadableError('the body is no object: {"token": "…"}');
  return body;
}

async function readBody(request: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}
