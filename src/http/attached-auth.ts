import type { AuthClient } from "../auth/auth-client.js";
import type { ClientTraits } from "../auth/client-traits.js";
import { AuthError } from "../auth/errors.js";
import type { VerifiedToken } from "../auth/model.js";
import type { Token } from "../auth/token.js";
import type { TellDecision } from "./decision.js";

/** The settings of a middleware that hold for the guards behind it too. */
export interface MiddlewareSettings {
  readonly client: AuthClient;
  readonly realm: string;
  readonly resourceMetadata: string | undefined;
  /** Answers in place of the default. */
  readonly onError: unknown;
  /** The function that made it: `requireAuth`. */
  readonly maker: string;
  readonly traits: ClientTraits;
  /** Where the application wants to know what is decided. */
  readonly tellDecision: TellDecision | undefined;
}

/** The outcome of a middleware, left on a request for guards and `getAuth`: they never read `req.user`, which anything can set. */
export class AttachedAuth implements MiddlewareSettings {
  /** `undefined`: let through as anonymous. */
  readonly auth: VerifiedToken | undefined;
  readonly #settings: MiddlewareSettings;
  /** Private: a request that is logged must not show its token. */
  readonly #token: Token | undefined;
  /** When the service answered, monotonic in milliseconds. Absent where the process cache had the answer: it can be looked up there again. */
  #arrived: number | undefined;

  /** @param isNew the service has answered this moment */
  constructor(settings: MiddlewareSettings, auth: VerifiedToken | undefined, token: Token | undefined, isNew = false) {
    this.auth = auth;
    this.#settings = settings;
    this.#token = token;
    this.#arrived = isNew ? settings.traits.clock.monotonic() : undefined;
  }

  get client(): AuthClient {
    return this.#settings.client;
  }

  get realm(): string {
    return this.#settings.realm;
  }

  get resourceMetadata(): string | undefined {
    return this.#settings.resourceMetadata;
  }

  get onError(): unknown {
    return this.#settings.onError;
  }

  get maker(): string {
    return this.#settings.maker;
  }

  get traits(): ClientTraits {
    return this.#settings.traits;
  }

  get tellDecision(): TellDecision | undefined {
    return this.#settings.tellDecision;
  }

  /** For logs; `undefined` where it was let through without a token. */
  get tokenDigest(): string | undefined {
    return this.#token && this.traits.digestOf?.(this.#token.text);
  }

  /**
   * What the service answered this client about this very token, for the other middlewares of the request. A request can live for hours,
   * as that of a WebSocket does, and `authenticate` may look at it again and again: past the client's deadline or the token's `exp`, or
   * when something contradicts it, the service is asked anew.
   */
  answerOf(client: AuthClient, token: Token): VerifiedToken | undefined {
    const arrived = this.#arrived;
    const { auth, traits } = this;
    if (arrived === undefined || !auth || this.client !== client || this.#token?.text !== token.text) return undefined;
    const { clock, deadlineMs } = traits;
    const isOld = clock.monotonic() - arrived >= deadlineMs || clock.now() >= (auth.expiresAt ?? Infinity);
    return isOld || traits.mayBeVoid(auth) ? undefined : auth;
  }

  /** An answer that came from an earlier middleware is as old as it was there. */
  follow(earlier: AttachedAuth): void {
    if (#arrived in earlier && earlier.auth === this.auth) this.#arrived ??= earlier.#arrived;
  }
}

/** Registered: the ESM and the CommonJS copy of this package find the same one. */
const KEY: unique symbol = Symbol.for("portero.request") as never;

export function attachedAuthOf(request: object): AttachedAuth | undefined {
  return (request as { [KEY]?: AttachedAuth })[KEY];
}

/** Where handlers look for the user and the locals: the request of Express, the state of Koa. */
export interface AuthPlace {
  user?: unknown;
  locals?: unknown;
}

/**
 * Attaches the outcome of a middleware to a request, and the user and the locals to their place.
 *
 * @param earlier what is attached to it
 * @throws what the place throws, where it cannot be written to
 */
export function attachAuth(
  request: object,
  place: AuthPlace,
  attached: AttachedAuth,
  earlier: AttachedAuth | undefined,
): undefined {
  (request as { [KEY]?: AttachedAuth })[KEY] = attached;
  if (attached.auth) {
    if (earlier) attached.follow(earlier);
    place.user = attached.auth.user;
    place.locals = attached.auth.locals;
  } else if (earlier?.auth) {
    // Anonymous now: the place must not show another user than guards see. What the application has put there stays.
    if (place.user === earlier.auth.user) place.user = undefined;
    if (place.locals === earlier.auth.locals) place.locals = undefined;
  }
  return undefined;
}

/** Of an error of `getAuth`, before the place where an anonymous request shows. */
export const ANONYMOUS = "The request carries no token, and is anonymous. A handler that allows that reads";

/**
 * The auth that a request was let through with.
 *
 * @param caller `getAuth()`, or the guard's name
 * @param message of the error where it is anonymous; default as for a request without a token
 * @throws AuthError `missing_token` where it is anonymous; Error where no middleware ran
 */
export function authOf(request: object, caller: string, message?: string): VerifiedToken {
  const attached = attachedAuthOf(request);
  if (!attached)
    throw new Error(
      `${caller} needs requireAuth() before it: no auth was attached to this request. Mount it above the routes and guards: app.use(requireAuth())`,
    );
  const { auth, realm, resourceMetadata } = attached;
  if (!auth)
    throw new AuthError("missing_token", { realm, resourceMetadata, ...(message !== undefined && { message }) });
  return auth;
}
