/**
 * The user of a token, as the auth service names it. Applications may add fields of their own by declaration merging; portero fills in
 * these.
 */
export interface User {
  readonly id: string;
  readonly organizationId: string;
  readonly email: string;
  /** The user's permissions, as the service names them: `"products:write"`. */
  readonly permissions: readonly string[];
}

/** The service's answer about a token. Deeply frozen: it is shared between requests. */
export interface VerifiedToken {
  readonly user: User;
  /** The ids of the locals (shop branches) that the user may act on. */
  readonly locals: readonly string[];
  /** The token's own end (`exp` of a JWT), in milliseconds since the epoch; opaque tokens have none. */
  readonly expiresAt?: number;
  /**
   * Where the answer came from: this process's cache, the shared cache, the service over gRPC or REST, or (`stale`, with
   * `cache.staleIfErrorMs`) an expired entry while the service is unavailable.
   */
  readonly source: "process" | "shared" | "stale" | "grpc" | "rest";
}

/**
 * What a token that is not known says of itself, where it is a JWT; an opaque token says nothing. **Unverified**: a client can
 * write anything there, line breaks too. Good for turning a request away, and for nothing else.
 */
export interface TokenFacts {
  /** Issuer (RFC 7519 §4.1.1). */
  readonly iss?: string;
  /** Audience (RFC 7519 §4.1.3). */
  readonly aud?: string | readonly string[];
  /** Expiration time (RFC 7519 §4.1.4): seconds since the epoch, as it stands there. */
  readonly exp?: number;
  /** Key id, from the header (RFC 7515 §4.1.4). */
  readonly kid?: string;
}

/** An organization of the service. */
export interface Organization {
  readonly id: string;
  readonly name: string;
  readonly plan: string;
  readonly isActive: boolean;
  /** The modules that it has: `"inventory"`. */
  readonly modules: readonly string[];
}

/** Names one user of one organization. */
export interface UserRef {
  readonly userId: string;
  readonly organizationId: string;
}
