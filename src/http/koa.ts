import type {} from "koa";
import type { User, VerifiedToken } from "../auth/model.js";
import { ANONYMOUS, authOf } from "./attached-auth.js";
import type { OptionalAuthOptions } from "./auth-options.js";
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
import { type KoaAuthOptions, type KoaMiddleware, toKoaMiddleware } from "./koa-adapter.js";
import { type KoaContext, koaAccess } from "./koa-context.js";
import { authStep, guardStep } from "./middleware.js";
import { noKoaContext } from "./misuse.js";
import { named } from "./named.js";

declare module "koa" {
  interface DefaultState {
    user?: User;
    /** The ids of the locals that the user may act on. */
    locals?: readonly string[];
  }
}

/**
 * Lets through only requests with a valid bearer token, and attaches `ctx.state.user` and `ctx.state.locals`. Other requests get the
 * answer of the error table: 401 for no or a bad token, 503 while the service cannot be asked.
 *
 * @example app.use(requireAuth())
 * @throws ConfigError when made, if an option or the environment cannot be used
 */
export function requireAuth<C extends KoaContext = KoaContext>(options: KoaAuthOptions<C> = {}): KoaMiddleware<C> {
  return toKoaMiddleware(authStep("requireAuth", options));
}

/**
 * Like `requireAuth`, but lets a request *without* credentials through as anonymous. A bad token is still 401 (unless
 * `invalidToken` is `"anonymous"`), an outage still 503.
 *
 * @example router.get("/products", optionalAuth(), (ctx) => { ctx.body = { forYou: ctx.state.user !== undefined }; })
 */
export function optionalAuth<C extends KoaContext = KoaContext>(
  options: KoaAuthOptions<C> & OptionalAuthOptions = {},
): KoaMiddleware<C> {
  return toKoaMiddleware(authStep("optionalAuth", options));
}

/**
 * The auth that was attached to a request.
 *
 * @throws Error where `requireAuth` did not run; AuthError `missing_token` where `optionalAuth` let the request through as anonymous
 */
export function getAuth(ctx: KoaContext): VerifiedToken {
  if (!(ctx as KoaContext | undefined)?.req) throw noKoaContext("getAuth()");
  return authOf(ctx.req, "getAuth()", `${ANONYMOUS} ctx.state.user`);
}

/**
 * Only users with every one of the permissions; others get 403.
 *
 * @example router.post("/products", requirePermission("products:write"), createProduct)
 */
export function requirePermission(...all: string[]): KoaMiddleware {
  return toKoaMiddleware(guardStep("requirePermission", permissionGuard(all)));
}

/**
 * Only users with at least one of the permissions; others get 403.
 *
 * @example router.get("/reports", requireAnyPermission("reports:read", "reports:admin"), listReports)
 */
export function requireAnyPermission(...some: string[]): KoaMiddleware {
  return toKoaMiddleware(guardStep("requireAnyPermission", anyPermissionGuard(some)));
}

/**
 * Only users for whom the predicate returns `true`; others get 403.
 *
 * @example router.delete("/products", requireUser(({ user }) => user.email.endsWith("@example.com")), deleteAll)
 */
export function requireUser<C extends KoaContext = KoaContext>(
  predicate: (auth: VerifiedToken, ctx: C) => boolean | Promise<boolean>,
): KoaMiddleware<C> {
  return toKoaMiddleware(guardStep("requireUser", userGuard(predicate)));
}

/**
 * Only users who may act on every local that the request names; others get 403, and a request that names none gets 400.
 *
 * @example router.get("/locals/:localId/products", requireLocal("localId"), listProducts)
 * @example router.post("/transfers", requireLocal({ header: "X-Local-ID" }, { fresh: true }), transfer)
 */
export function requireLocal<C extends KoaContext = KoaContext>(
  source: GuardSource<C>,
  options: LocalGuardOptions = {},
): KoaMiddleware<C> {
  return toKoaMiddleware(guardStep("requireLocal", localGuard(source, koaAccess, options)));
}

/**
 * Only users of the organization that the request names; others get 403, and a request that names none gets 400.
 *
 * @example router.get("/organizations/:organizationId", requireOrganization("organizationId"), showOrganization)
 */
export function requireOrganization<C extends KoaContext = KoaContext>(source: GuardSource<C>): KoaMiddleware<C> {
  return toKoaMiddleware(guardStep("requireOrganization", organizationGuard(source, koaAccess)));
}

/**
 * Only users whose organization is active and has every one of the modules; others get 403. What is cached of the organization is
 * trusted, unless `{ fresh: true }` is the last argument.
 *
 * @example router.use("/inventory", requireModule("inventory"))
 */
export function requireModule(...modules: ModuleGuardArguments): KoaMiddleware {
  return toKoaMiddleware(guardStep("requireModule", moduleGuard(modules)));
}

/**
 * Answers whether this process is ready, and `health()` of its client, as JSON: 503 before `ready()` has resolved once and after `close()`,
 * else 200; with `strict`, 503 also while no upstream can be asked. For readiness, before `requireAuth`; not for liveness: a restart mends
 * no auth service. It answers every request that comes to it.
 *
 * @example router.get("/ready", healthHandler())
 * @throws ConfigError when made, if an option or the environment cannot be used
 */
export function healthHandler(options: HealthOptions = {}): (ctx: KoaContext) => void {
  const answer = healthAnswers(options);
  return named("healthHandler", (ctx) => {
    if (!ctx.req) throw noKoaContext("healthHandler()");
    const { status, headers, body } = answer();
    ctx.status = status;
    ctx.set({ ...headers });
    ctx.body = body;
  });
}
