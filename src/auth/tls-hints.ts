import type { Upstream } from "../transport/outcome.js";

/** What can be asked over the network. */
export type Asked = Upstream | "redis";

/** Why something probably failed, by a code, and what to write instead. */
export interface Hint<A extends Asked = Asked> {
  readonly when: RegExp;
  readonly says: string | { readonly [Each in A]: string };
}

const NO_TLS = {
  grpc: "no TLS there: write http:// in grpc.url",
  rest: "no TLS there: write http:// in rest.url",
  redis: "no TLS there: write redis:// in REDIS_URL",
};
const OUR_CERTIFICATE = {
  grpc: "see grpc.tls.cert and grpc.tls.key",
  rest: "see rest.tls.cert and rest.tls.key",
  redis: "see cache.redis.tls.cert and cache.redis.tls.key",
};
const UNTRUSTED = "no authority vouches for its certificate: give its CA in";

/** Of all that is asked over TLS, by the codes of Node. The first one holds. */
export const TLS_HINTS: readonly Hint[] = [
  { when: /^EPROTO$|WRONG_VERSION_NUMBER$|PACKET_LENGTH_TOO_LONG$/, says: NO_TLS },
  {
    when: /(PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW)$/,
    says: "it has no version of TLS that Node takes: let it offer TLS 1.2 or 1.3",
  },
  {
    when: /CERTIFICATE_REQUIRED$|HANDSHAKE_FAILURE$|ALERT_(UNKNOWN_CA|BAD_CERTIFICATE)/,
    says: eachOf((asked) => `it wants a client certificate that it trusts: ${OUR_CERTIFICATE[asked]}`),
  },
  { when: /^CERT_HAS_EXPIRED$/, says: "its certificate, or the CA behind it, has expired" },
  { when: /^CERT_NOT_YET_VALID$/, says: "its certificate is not valid yet: is the clock of this machine right?" },
  {
    when: /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    says: "its certificate is another host's: write the name that is in the certificate into the URL",
  },
  {
    when: /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_)/,
    says: {
      grpc: `${UNTRUSTED} grpc.tls.ca`,
      rest: `${UNTRUSTED} rest.tls.ca`,
      redis: `${UNTRUSTED} cache.redis.tls.ca`,
    },
  },
];

/** A handshake that failed in another way. */
export const OTHER_TLS: Hint = {
  when: /^ERR_SSL_/,
  says: "its TLS and ours do not fit: look at its log, and at versions, ciphers and certificates",
};

/** The first hint that holds. */
export function findHint<A extends Asked>(hints: readonly Hint<A>[], code: string, asked: A): string | undefined {
  const says = hints.find(({ when }) => when.test(code))?.says;
  return typeof says === "object" ? says[asked] : says;
}

function eachOf(say: (asked: Asked) => string): { readonly [A in Asked]: string } {
  return { grpc: say("grpc"), rest: say("rest"), redis: say("redis") };
}
