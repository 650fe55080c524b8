import type { IncomingMessage, ServerResponse } from "node:http";
import type { User, VerifiedToken } from "../auth/model.js";
import { ANONYMOUS, authOf } from "./attached-auth.js";
import type { OptionalAuthOptions } from "./auth-options.js";
import { type AuthOptions, toHandler } from "./express-adapter.js";
import { expressAccess, type Handler } from "./express-request.js";
import type { GuardSource } from "./guard-source.js";
import {
  anyPermissionGuard,
  type LocalGuardOptions,
  localGuard,
  type ModuleGuardArguments,
  moduleGuard,
  organizationGuard,
  permissionGuard,
  userGuard,
} from "./guards.js";
import { type HealthOptions, healthAnswers } from "./health.js";
import { authStep, guardStep } from "./middleware.js";
import { assertRequest, noExpressNext } from "./misuse.js";
import { named } from "./named.js";
import { nodeOf } from "./request.js";

declare global {
  namespace Express {
    // As @types/passport declares it, so that both can be installed.
    interface User extends PorteroUser {}
    interface Request {
      user?: User | undefined;
      /** The ids of the locals that the user may act on. */
      locals?: readonly string[] | undefined;
    }
  }
}

/** The name under which `Express.User` extends it: inside that namespace, `User` is `Express.User`. */
export interface PorteroUser extends User {}

/**
 * Lets through only requests with a valid bearer token, and attaches `req.user` and `req.locals`. Other requests get the answer of
 * the error table: 401 for no or a bad token, 503 while the service cannot be asked.
 *
 * @example app.use(requireAuth())
 * @throws ConfigError when made, if an option or the environment cannot be used
 */
export function requireAuth<R extends IncomingMessage = IncomingMessage>(options: AuthOptions<R> = {}): Handler<R> {
  return toHandler(authStep("requireAuth", options));
}

/**
 * Like `requireAuth`, but lets a request *without* credentials through as anonymous. A bad token is still 401 (unless
 * `invalidToken` is `"anonymous"`), an outage still 503.
 *
 * @example app.get("/products", optionalAuth(), (req, res) => res.json({ forYou: req.user !== undefined }))
 */
export function optionalAuth<R extends IncomingMessage = IncomingMessage>(
  options: AuthOptions<R> & OptionalAuthOptions = {},
): Handler<R> {
  return toHandler(authStep("optionalAuth", options));
}

/**
 * The auth that was attached to a request: one of Node or Express, or of Fastify where `authenticate` has attached it.
 *
 * @throws Error where `requireAuth` did not run; AuthError `missing_token` where `optionalAuth` let the request through as anonymous
 */
export function getAuth(req: IncomingMessage | { readonly raw: IncomingMessage }): VerifiedToken {
  assertRequest("getAuth()", req);
  return authOf(nodeOf(req), "getAuth()", `${ANONYMOUS} req.user`);
}

/**
 * Only users with every one of the permissions; others get 403.
 *
 * @example app.post("/products", requirePermission("products:write"), createProduct)
 */
export function requirePermission(...all: string[]): Handler {
  return toHandler(guardStep("requirePermission", permissionGuard(all)));
}

/**
 * Only users with at least one of the permissions; others get 403.
 *
 * @example app.get("/reports", requireAnyPermission("reports:read", "reports:admin"), listReports)
 */
export function requireAnyPermission(...some: string[]): Handler {
  return toHandler(guardStep("requireAnyPermission", anyPermissionGuard(some)));
}

/**
 * Only users for whom the predicate returns `true`; others get 403.
 *
 * @example app.delete("/products", requireUser(({ user }) => user.email.endsWith("@example.com")), deleteAll)
 */
export function requireUser<R extends IncomingMessage = IncomingMessage>(
  predicate: (auth: VerifiedToken, req: R) => boolean | Promise<boolean>,
): Handler<R> {
  return toHandler(guardStep("requireUser", userGuard(predicate)));
}

/**
 * Only users who may act on every local that the request names; others get 403, and a request that names none gets 400.
 *
 * @example app.get("/locals/:localId/products", requireLocal("localId"), listProducts)
 * @example app.post("/transfers", requireLocal({ header: "X-Local-ID" }, { fresh: true }), transfer)
 */
export function requireLocal<R extends IncomingMessage = IncomingMessage>(
  source: GuardSource<R>,
  options: LocalGuardOptions = {},
): Handler<R> {
  return toHandler(guardStep("requireLocal", localGuard(source, expressAccess, options)));
}

/**
 * Only users of the organization that the request names; others get 403, and a request that names none gets 400.
 *
 * @example app.get("/organizations/:organizationId", requireOrganization("organizationId"), showOrganization)
 */
export function requireOrganization<R extends IncomingMessage = IncomingMessage>(source: GuardSource<R>): Handler<R> {
  return toHandler(guardStep("requireOrganization", organizationGuard(source, expressAccess)));
}

/**
 * Only users whose organization is active and has every one of the modules; others get 403. What is cached of the organization is
 * trusted, unless `{ fresh: true }` is the last argument.
 *
 * @example app.use("/inventory", requireModule("inventory"))
 */
export function requireModule(...modules: ModuleGuardArguments): Handler {
  return toHandler(guardStep("requireModule", moduleGuard(modules)));
}

/**
 * Answers whether this process is ready, and `health()` of its client, as JSON: 503 before `ready()` has resolved once and after `close()`,
 * else 200; with `strict`, 503 also while no upstream can be asked. For readiness, before `requireAuth`; not for liveness: a restart mends
 * no auth service. Also a listener of `node:http`.
 *
 * @example app.get("/ready", healthHandler())
 * @throws ConfigError when made, if an option or the environment cannot be used
 */
export function healthHandler(options: HealthOptions = {}): (req: IncomingMessage, res: ServerResponse) => void {
  const answer = healthAnswers(options);
  return named("healthHandler", (_req, res) => {
    if (typeof res?.writeHead !== "function") throw noExpressNext("healthHandler()");
    const { status, headers, body } = answer();
    res.writeHead(status, headers).end(body);
  });
}
