import { errorCode } from "../cache/store-error.js";
import { DependencyError } from "../runtime/lazy-import.js";
import type { UpstreamFailure } from "../transport/failure-watch.js";
import type { Upstream } from "../transport/outcome.js";

/** Why something probably failed, and what to write instead. */
interface Hint {
  readonly when: RegExp;
  readonly says: string | { readonly [U in Upstream]: string };
}

const OTHER_PORT = {
  grpc: "no HTTP/2 there: is it the REST port? gRPC listens on one of its own, often 50051",
  rest: "no HTTP/1.1 there: is it the gRPC port? REST listens on one of its own",
};
const NO_TLS = { grpc: "no TLS there: write http:// in grpc.url", rest: "no TLS there: write http:// in rest.url" };
const UNTRUSTED = {
  grpc: "no authority vouches for its certificate: give its CA in grpc.tls.ca",
  rest: "no authority vouches for its certificate: give its CA in rest.tls.ca",
};
const WANTS_OURS = {
  grpc: "it wants a client certificate that it trusts: see grpc.tls.cert and grpc.tls.key",
  rest: "it wants a client certificate that it trusts: see rest.tls.cert and rest.tls.key",
};
const NO_PATH =
  "it has no such path: rest.url (AUTH_REST_URL) is the base alone, to which rest.paths are appended; is there a prefix too many, or one missing?";
const OTHER_SERVICE = "is rest.url (AUTH_REST_URL) the auth service's, and rest.paths as it has them?";

/** Of an upstream, by the codes of Node, HTTP and gRPC. The first one holds. */
const OF_UPSTREAMS: readonly Hint[] = [
  { when: /^ERR_HTTP2_(SESSION_)?ERROR$|NO_APPLICATION_PROTOCOL$|^HPE_/, says: OTHER_PORT },
  { when: /^EPROTO$|WRONG_VERSION_NUMBER$|PACKET_LENGTH_TOO_LONG$/, says: NO_TLS },
  { when: /CERTIFICATE_REQUIRED$|HANDSHAKE_FAILURE$|ALERT_(UNKNOWN_CA|BAD_CERTIFICATE)/, says: WANTS_OURS },
  { when: /^CERT_HAS_EXPIRED$/, says: "its certificate, or the CA behind it, has expired" },
  { when: /^CERT_NOT_YET_VALID$/, says: "its certificate is not valid yet: is the clock of this machine right?" },
  {
    when: /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    says: "its certificate is another host's: write the name that is in the certificate into the URL",
  },
  { when: /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_)/, says: UNTRUSTED },
  { when: /^ECONNREFUSED$/, says: "nothing listens there: are host and port right, has it started?" },
  { when: /^(ENOTFOUND|EAI_AGAIN)$/, says: "no name server knows the host: is it spelt right?" },
  { when: /^(EHOSTUNREACH|ENETUNREACH)$/, says: "no network leads there: is the address right?" },
  {
    when: /^(ECONNRESET|EPIPE)$/,
    says: {
      grpc: "it ended the connection: if it wants TLS, write https:// in grpc.url",
      rest: "it ended the connection: if it wants TLS, write https:// in rest.url",
    },
  },
  {
    when: /^(timeout|ETIMEDOUT|ECONNABORTED)$/,
    says: {
      grpc: "it says nothing: does a firewall swallow it, or is grpc.timeoutMs (AUTH_GRPC_TIMEOUT, in seconds) too short?",
      rest: "it says nothing: does a firewall swallow it, or is rest.timeoutMs (AUTH_REST_TIMEOUT, in seconds) too short?",
    },
  },
  {
    when: /^Unimplemented$/,
    says: "no auth.AuthService there, or one without this method: is it the auth service, with its current proto?",
  },
  { when: /^no package /, says: 'it cannot be loaded: README\'s "Bundling" has the banner that a bundle needs' },
  { when: /^HTTP (404|405)$/, says: NO_PATH },
  { when: /^HTTP 3\d\d$/, says: "it leads elsewhere, and a token is never sent on: write the URL that it leads to" },
  { when: /^HTTP (401|403)$/, says: 'it refuses this service itself: see the option "headers"' },
  { when: /^(Unauthenticated|PermissionDenied)$/, says: 'it refuses this service itself: see the option "headers"' },
  {
    when: /^(not JSON|not a JSON object|no user_id|no organization id|no list of \w+|wrong shape)$/,
    says: OTHER_SERVICE,
  },
];

/** Of a Redis, by the codes of Node and its own. */
const OF_REDIS: readonly Hint[] = [
  { when: /^ERR_SSL_|^EPROTO$/, says: "no TLS there: write redis:// in REDIS_URL" },
  { when: /^ECONNREFUSED$/, says: "nothing listens there: are host and port right? Redis' own is 6379" },
  { when: /^(ENOTFOUND|EAI_AGAIN)$/, says: "no name server knows the host: is it spelt right?" },
  { when: /^NOAUTH$/, says: "it wants a password: write redis://user:…@host:port, user and password encoded" },
  { when: /^UNKNOWN_MASTER$/, says: "the sentinels watch no master of that name" },
  { when: /^WRONGPASS$/, says: "user or password are wrong: are both encoded, # as %23?" },
  { when: /^NOPERM$/, says: "its user may not do this: README has the ACL that is needed" },
  { when: /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_)/, says: "give its CA in cache.redis.tls.ca" },
];

/** What probably is wrong with an upstream; `undefined` where the code does not tell. */
export function hintOf(upstream: Upstream, { detail }: Pick<UpstreamFailure, "detail">): string | undefined {
  return find(OF_UPSTREAMS, detail, upstream);
}

/** What probably is wrong with a shared cache. */
export function storeHintOf(error: unknown): string | undefined {
  const code = errorCode(error);
  return dependencyIn(error)?.message ?? (code === undefined ? undefined : find(OF_REDIS, code, "grpc"));
}

/** The package that could not be loaded, where that is the cause of an error. */
export function dependencyIn(error: unknown): DependencyError | undefined {
  let cause = error;
  for (let depth = 0; depth < 5 && cause instanceof Error; depth++) {
    if (cause instanceof DependencyError) return cause;
    cause = cause.cause;
  }
  return undefined;
}

function find(hints: readonly Hint[], code: string, upstream: Upstream): string | undefined {
  const says = hints.find(({ when }) => when.test(code))?.says;
  return typeof says === "object" ? says[upstream] : says;
}
