/** `portero/client`: everything but the frameworks. */

export type { AuthClient, CallOptions, VerifyOptions } from "./auth/auth-client.js";
export type { AuthClientHealth } from "./auth/client-health.js";
export type { AuthClientStatus, GrpcStatus, UpstreamStatus } from "./auth/client-status.js";
export { ConfigError, type ConfigProblem } from "./auth/config/config-error.js";
export { optionsFromEnv } from "./auth/config/environment.js";
export type {
  AuthClientOptions,
  BreakerOptions,
  CacheOptions,
  GrpcOptions,
  LimitOptions,
  RedisOptions,
  RestOptions,
  RetryOptions,
} from "./auth/config/options.js";
export { createAuthClient } from "./auth/create-auth-client.js";
export type { AuthClientDiagnosis, DiagnoseOptions, DiagnosisCheck } from "./auth/diagnosis/diagnosis.js";
export { type AnyAuthError, AuthError, type AuthErrorCode, type AuthErrorOptions } from "./auth/errors.js";
export type { AuthClientEvents } from "./auth/events.js";
export type { InvalidationReason } from "./auth/invalidation-listeners.js";
export type { Organization, TokenFacts, User, UserRef, VerifiedToken } from "./auth/model.js";
export type { ReadyOptions } from "./auth/readiness.js";
export { getAuthClient } from "./auth/shared-client.js";
export type { OnUnknownToken, UnknownTokenVerdict } from "./auth/unknown-token.js";
export type { SharedStore } from "./cache/shared-store.js";
export type { AttachOptions, AuthenticateOptions, OptionalAuthOptions } from "./http/auth-options.js";
export { authenticate } from "./http/authenticate.js";
export { bearerToken } from "./http/bearer.js";
export { type CookieTokenOptions, cookieToken } from "./http/cookie.js";
export type { Decision } from "./http/decision.js";
export type { GuardSource } from "./http/guard-source.js";
export type { LocalGuardOptions, ModuleGuardOptions } from "./http/guards.js";
export type { HealthOptions } from "./http/health.js";
export { type Problem, toProblem } from "./http/problem.js";
export type { RequestLike } from "./http/request.js";
export type { BreakerState } from "./runtime/circuit-breaker.js";
export type { Clock, Timer } from "./runtime/clock.js";
export type { Logger } from "./runtime/logger.js";
export type { TlsOptions } from "./runtime/tls-options.js";
export type { OutcomeCounts } from "./transport/call-outcome.js";
export type { CredentialHeaders } from "./transport/credentials.js";
export type { Fallback } from "./transport/failover.js";
export type { Operation } from "./transport/operation.js";
export type { UpstreamHealth } from "./transport/operation-record.js";
export type { Upstream } from "./transport/outcome.js";
export type { ReplicaState } from "./transport/replica.js";
export type { ReplicaStatus } from "./transport/replica-set.js";
export type { RestPaths } from "./transport/rest-request.js";
