import { type Challenge, encodeChallenge } from "./challenge.js";

/** Every reason why a request is not let through, with the HTTP status it is answered with. */
const STATUS = {
  missing_token: 401,
  invalid_request: 400,
  invalid_token: 401,
  inactive_user: 401,
  insufficient_scope: 403,
  cross_site: 403,
  missing_parameter: 400,
  lookup_refused: 403,
  auth_unavailable: 503,
  overloaded: 503,
} as const;

const MESSAGE: Readonly<Record<AuthErrorCode, string>> = {
  missing_token: "The request carries no bearer token.",
  invalid_request: "The credentials of the request are malformed.",
  invalid_token: "The token is not valid.",
  inactive_user: "The user of the token is not active.",
  insufficient_scope: "The user may not do this.",
  cross_site: "The request comes from another site.",
  missing_parameter: "The request does not say what it is about.",
  lookup_refused: "The auth service does not know what was asked for.",
  auth_unavailable: "The auth service cannot be asked at the moment.",
  overloaded: "Too many verifications are waiting.",
};

/** The `error` of the challenge for a code; other codes have none (RFC 6750 §3.1). */
const CHALLENGE_ERROR: Partial<Record<AuthErrorCode, Challenge["error"]>> = {
  invalid_request: "invalid_request",
  invalid_token: "invalid_token",
  inactive_user: "invalid_token",
  insufficient_scope: "insufficient_scope",
};

const DEFAULT_REALM = "api";
/** The same in the ESM and in the CommonJS copy of this package, and across their versions. */
const BRAND: unique symbol = Symbol.for("portero.AuthError") as never;

/** The codes are stable: switch on them. */
export type AuthErrorCode = keyof typeof STATUS;

export interface AuthErrorOptions {
  /** The error that led to it. Never holds a token, nor anything that an upstream wrote. */
  cause?: unknown;
  /** Replaces the default message. It is sent to the client: it may hold nothing that an upstream wrote. */
  message?: string;
  /** The protection space of the challenge; default `"api"`. */
  realm?: string;
  /** For the challenge: the URL of the protected resource's metadata (RFC 9728 §5.1). */
  resourceMetadata?: string | undefined;
  /** For `insufficient_scope`: the permissions that would be needed. */
  permissions?: readonly string[];
  /** For `auth_unavailable` and `overloaded`: when to come back, in milliseconds; sent as whole seconds, at least 1. */
  retryAfterMs?: number;
}

/**
 * Why a request is not let through.
 *
 * `status`, or `statusCode`, and `headers` are what the error handlers of frameworks read; `code` is what your code should look at.
 * An outage is never a 401 or 403, and a refusal is never a 503.
 */
export class AuthError<C extends AuthErrorCode = AuthErrorCode> extends Error {
  override readonly name = "AuthError";
  readonly code: C;
  /** HTTP status. */
  readonly status: (typeof STATUS)[C];
  /** The same under the name that Nest, Fastify and `http-errors` read. */
  readonly statusCode: (typeof STATUS)[C];
  /** Whether a client may read the message (Koa's `expose`): it holds nothing secret in any case. */
  readonly expose: boolean;
  readonly #options: AuthErrorOptions;

  /** @throws TypeError for a code that is none */
  constructor(code: C, options: AuthErrorOptions = {}) {
    assertCode(code);
    super(options.message ?? MESSAGE[code], options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = STATUS[code];
    this.statusCode = this.status;
    this.expose = this.status < 500;
    this.#options = options;
  }

  /** Response headers: the challenge (RFC 6750 §3) or `Retry-After` (RFC 9110 §10.2.3), and `Cache-Control: no-store`. */
  get headers(): Readonly<Record<string, string>> {
    const headers: Record<string, string> = { "Cache-Control": "no-store" };
    const { realm = DEFAULT_REALM, permissions, resourceMetadata } = this.#options;
    const error = CHALLENGE_ERROR[this.code];
    if (error || this.code === "missing_token") {
      headers["WWW-Authenticate"] = encodeChallenge({ realm, error, scope: permissions, resourceMetadata });
    }
    if (this.status === 503) {
      headers["Retry-After"] = String(Math.max(1, Math.ceil((this.#options.retryAfterMs ?? 0) / 1000)));
    }
    return headers;
  }

  /** The same error with another realm in its challenge, and with that realm's metadata. */
  inRealm(realm: string, resourceMetadata: string | undefined = this.#options.resourceMetadata): AuthError<C> {
    const own = this.#options;
    if (realm === (own.realm ?? DEFAULT_REALM) && resourceMetadata === own.resourceMetadata) return this;
    const { cause } = this;
    return create(this.code, { ...own, message: this.message, cause, realm, resourceMetadata });
  }

  static override readonly [Symbol.hasInstance]: (value: unknown) => boolean = isInstance;

  /** @internal */
  get [BRAND](): true {
    return true;
  }
}

/** JavaScript does not look at types, and an error without a status cannot be answered. The given value is left out: it may be any text. */
export function assertCode(code: unknown): asserts code is AuthErrorCode {
  if (typeof code === "string" && Object.hasOwn(STATUS, code)) return;
  throw new TypeError(`an AuthError has one of the codes ${Object.keys(STATUS).join(", ")}`);
}

// Apart from the class: bundlers rename a class that refers to itself.

/** Also true for an error of the other module format's copy of this package; not for a class that extends `AuthError`. */
function isInstance(this: unknown, value: unknown): boolean {
  if (this !== AuthError) return Function.prototype[Symbol.hasInstance].call(this as typeof AuthError, value);
  return typeof value === "object" && value !== null && BRAND in value;
}

function create<C extends AuthErrorCode>(code: C, options: AuthErrorOptions): AuthError<C> {
  return new AuthError(code, options);
}

/** Any {@link AuthError}, as a union to switch on: `switch (error.code)` narrows `error.status` with it. */
export type AnyAuthError = { [C in AuthErrorCode]: AuthError<C> }[AuthErrorCode];
