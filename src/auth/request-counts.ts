import { AuthError, type AuthErrorCode } from "./errors.js";
import type { VerifiedToken } from "./model.js";

/** The guards, by the functions that make them. */
const GUARDS = [
  "requirePermission",
  "requireAnyPermission",
  "requireUser",
  "requireLocal",
  "requireOrganization",
  "requireModule",
] as const;
type GuardName = (typeof GUARDS)[number];
/** What can become of a request at the door, but for those that a guard alone can bring. */
type Refusal = Exclude<AuthErrorCode, "insufficient_scope" | "missing_parameter" | "lookup_refused">;
type Verdict = "allowed" | "denied" | "error";

/** Plain and serialisable. */
export interface RequestsStatus {
  /**
   * Let through by `requireAuth`, `optionalAuth` or `authenticate`, by where the answer came from; `anonymous`: without a user; `other`: a
   * `verifyToken` of the application's own named no such place. A request behind two of these functions counts twice, here and in `refused`.
   */
  readonly authenticated: Readonly<Record<VerifiedToken["source"] | "anonymous" | "other", number>>;
  /** Turned away there, by the code; `other`: something else than an `AuthError` was thrown. */
  readonly refused: Readonly<Record<Refusal | "other", number>>;
  /** What each guard has decided; `error`: it could not tell. */
  readonly guards: Readonly<Record<GuardName, Readonly<Record<Verdict, number>>>>;
}

const NO_ANSWERS = { process: 0, shared: 0, stale: 0, grpc: 0, rest: 0, anonymous: 0, other: 0 };

/** Whether it is a place that answers come from. */
export function isSource(source: string): source is VerifiedToken["source"] {
  return Object.hasOwn(NO_ANSWERS, source) && source !== "anonymous" && source !== "other";
}

/** What became of requests: integers, since a hit counts too. */
export class RequestCounts {
  readonly #authenticated = { ...NO_ANSWERS };
  readonly #refused: Record<Refusal | "other", number> = {
    missing_token: 0,
    invalid_request: 0,
    invalid_token: 0,
    inactive_user: 0,
    cross_site: 0,
    auth_unavailable: 0,
    overloaded: 0,
    other: 0,
  };
  readonly #guards = Object.fromEntries(GUARDS.map((name) => [name, { allowed: 0, denied: 0, error: 0 }])) as Record<
    GuardName,
    Record<Verdict, number>
  >;

  /** @param auth `undefined`: let through as anonymous */
  letIn(auth: VerifiedToken | undefined): void {
    if (!auth) this.#authenticated.anonymous++;
    else if (auth.source === "process") this.#authenticated.process++;
    else this.#authenticated[isSource(auth.source) ? auth.source : "other"]++;
  }

  turnedAway(error: unknown): void {
    const code = error instanceof AuthError ? error.code : "other";
    this.#refused[Object.hasOwn(this.#refused, code) ? (code as Refusal) : "other"]++;
  }

  /** What one guard counts on: looked up when it is made. */
  of(guard: string): Record<Verdict, number> {
    return this.#guards[guard as GuardName];
  }

  get status(): RequestsStatus {
    return {
      authenticated: { ...this.#authenticated },
      refused: { ...this.#refused },
      guards: structuredClone(this.#guards),
    };
  }
}
