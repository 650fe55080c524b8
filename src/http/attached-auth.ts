import type { AuthClient } from "../auth/auth-client.js";
import type { ClientTraits } from "../auth/client-traits.js";
import { AuthError } from "../auth/errors.js";
import type { VerifiedToken } from "../auth/model.js";
import type { Token } from "../auth/token.js";

/** A middleware, as the requests that it lets through and the guards behind it know it. */
export interface Mount {
  readonly client: AuthClient;
  readonly realm: string;
  readonly resourceMetadata: string | undefined;
  /** Its own answer, which serves the guards behind it too. */
  readonly onError: unknown;
  /** The function that made it: `requireAuth`. */
  readonly maker: string;
  readonly traits: ClientTraits;
}

/** When an answer came: monotonic milliseconds, and how often something had been invalidated by then. */
interface Arrival {
  readonly at: number;
  readonly invalidations: number;
}

function arrivalNow({ clock, invalidations }: ClientTraits): Arrival {
  return { at: clock.monotonic(), invalidations };
}

/** The outcome of a middleware, left on a request for guards and `getAuth`: never `req.user`, which others may have set. */
export class RequestAuth implements Mount {
  /** `undefined`: let through as anonymous. */
  readonly auth: VerifiedToken | undefined;
  readonly #mount: Mount;
  /** Not to be seen from outside: who logs a request does not log its token. */
  readonly #token: Token | undefined;
  /** Not where the process knew it: that can be looked up again. */
  #arrived: Arrival | undefined;

  /** @param isNew the service was asked, this moment */
  constructor(mount: Mount, auth: VerifiedToken | undefined, token: Token | undefined, isNew = false) {
    this.auth = auth;
    this.#mount = mount;
    this.#token = token;
    this.#arrived = isNew ? arrivalNow(mount.traits) : undefined;
  }

  get client(): AuthClient {
    return this.#mount.client;
  }

  get realm(): string {
    return this.#mount.realm;
  }

  get resourceMetadata(): string | undefined {
    return this.#mount.resourceMetadata;
  }

  get onError(): unknown {
    return this.#mount.onError;
  }

  get maker(): string {
    return this.#mount.maker;
  }

  get traits(): ClientTraits {
    return this.#mount.traits;
  }

  /**
   * The answer of this client about this very token, where it had to ask, for the middlewares of one request. A request can live for
   * hours, as that of a WebSocket does, and `authenticate` may look at it again and again: past the client's deadline, the token's own
   * end or an invalidation, the service is asked anew.
   */
  answerOf(client: AuthClient, token: Token): VerifiedToken | undefined {
    const arrived = this.#arrived;
    if (!arrived || this.#mount.client !== client || this.#token?.text !== token.text) return undefined;
    const { clock, deadlineMs, invalidations } = this.traits;
    const isOld = clock.monotonic() - arrived.at >= deadlineMs || clock.now() >= (this.auth?.expiresAt ?? Infinity);
    return isOld || invalidations !== arrived.invalidations ? undefined : this.auth;
  }

  /** An answer that was taken from an earlier one is as old as there. */
  follow(earlier: RequestAuth): void {
    if (#arrived in earlier && earlier.auth === this.auth) this.#arrived ??= earlier.#arrived;
  }
}

/** Both module formats of this package find it. */
const KEY: unique symbol = Symbol.for("portero.request") as never;

export function requestAuthOf(request: object): RequestAuth | undefined {
  return (request as { [KEY]?: RequestAuth })[KEY];
}

/** Where handlers find it: the request of Express, the state of Koa. */
interface Attached {
  user?: unknown;
  locals?: unknown;
}

/** Attaches it to the request, and the user and the locals to where handlers look for them. */
export function attachAuth(request: object, attached: Attached, state: RequestAuth): void {
  const former = requestAuthOf(request);
  const earlier = former?.auth;
  (request as { [KEY]?: RequestAuth })[KEY] = state;
  if (state.auth) {
    if (former) state.follow(former);
    attached.user = state.auth.user;
    attached.locals = state.auth.locals;
  } else if (earlier) {
    // Anonymous now: what is attached and what the guards see must not differ. What others have put there is theirs.
    if (attached.user === earlier.user) attached.user = undefined;
    if (attached.locals === earlier.locals) attached.locals = undefined;
  }
}

/** The auth that the request was let through with. */
export function authOf(request: object, caller: string): VerifiedToken {
  const state = requestAuthOf(request);
  if (!state) throw new Error(`${caller} needs requireAuth() before it: no auth was attached to this request`);
  const { auth, realm, resourceMetadata } = state;
  if (!auth) throw new AuthError("missing_token", { realm, resourceMetadata });
  return auth;
}
