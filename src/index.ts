/** `portero`: the doorman of an Express app, and all of `portero/client`. */
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
} from "./http/express.js";
export type { AuthOptions } from "./http/express-adapter.js";
export type { Handler, Next } from "./http/express-request.js";
