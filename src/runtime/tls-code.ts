/** Where a handshake fails while it is written, Node's code is EPROTO for everything: OpenSSL's own words tell more. */
const OPENSSL_REASON = /:SSL routines:\w*:([\w /]{3,60}):/;

/** The code that Node has for the same failure where it reads: `ERR_SSL_WRONG_VERSION_NUMBER`. `undefined` for any other error. */
export function tlsCode(error: unknown): string | undefined {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  const reason = code === "EPROTO" ? OPENSSL_REASON.exec(String(message))?.[1] : undefined;
  return reason && `ERR_SSL_${reason.toUpperCase().replaceAll(" ", "_")}`;
}
