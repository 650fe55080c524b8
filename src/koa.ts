/** `portero/koa`: the doorman of a Koa app, and all of `portero/client`. */
export * from "./client.js";
export {
  getAuth,
  healthHandler,
  optionalAuth,
  requireAnyPermission,
  requireAuth,
  requireLocal,
  requireModule,
  requireOrganization,
  requirePermission,
  requireUser,
} from "./http/koa.js";
export type { KoaAuthOptions, KoaMiddleware, KoaNext } from "./http/koa-adapter.js";
export type { KoaContext } from "./http/koa-context.js";
