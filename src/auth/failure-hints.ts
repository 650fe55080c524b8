import { DependencyError } from "../runtime/lazy-import.js";
import type { UpstreamFailure } from "../transport/failure-watch.js";
import type { Upstream } from "../transport/outcome.js";
import { findHint, type Hint, OTHER_TLS, TLS_HINTS } from "./tls-hints.js";

const OTHER_PORT = {
  grpc: "no HTTP/2 there: is it the REST port? gRPC listens on one of its own, often 50051",
  rest: "no HTTP/1.1 there: is it the gRPC port? REST listens on one of its own",
};
const NO_PATH =
  "it has no such path: rest.url (AUTH_REST_URL) is the base alone, to which rest.paths are appended; is there a prefix too many, or one missing?";
const OTHER_SERVICE = "is rest.url (AUTH_REST_URL) the auth service's, and rest.paths as it has them?";

/** Of an upstream, by the codes of Node, HTTP and gRPC. The first one holds. */
const OF_UPSTREAMS: readonly Hint<Upstream>[] = [
  { when: /^ERR_HTTP2_(SESSION_)?ERROR$|NO_APPLICATION_PROTOCOL$|^HPE_/, says: OTHER_PORT },
  ...TLS_HINTS,
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
  OTHER_TLS,
];

/** What probably is wrong with an upstream; `undefined` where the code does not tell. */
export function hintOf(upstream: Upstream, { detail }: Pick<UpstreamFailure, "detail">): string | undefined {
  return findHint(OF_UPSTREAMS, detail, upstream);
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
