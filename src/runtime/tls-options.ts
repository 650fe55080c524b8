import { X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { errorName } from "./error-name.js";
import { isPromise } from "./is-promise.js";

/** TLS for one upstream, or for Redis; all in PEM. Without it, Node's certificate authorities are trusted. */
export interface TlsOptions {
  /** The certificate authorities to trust instead of Node's. */
  ca?: string | Buffer | readonly (string | Buffer)[];
  /** Our client certificate (mutual TLS). */
  cert?: string | Buffer;
  /** The key of `cert`. */
  key?: string | Buffer;
}

/** The settings, or a function that is asked for them when a connection is made: files are rotated. */
export type TlsSource = TlsOptions | (() => TlsOptions);

/** The code of a connection that was not made because a function brought no usable settings. */
export const TLS_SETTINGS_FAILED = "ERR_TLS_SETTINGS";

/** Why there are no settings for a new connection. What the function threw is left out: it may hold a key. */
export class TlsSettingsError extends Error {
  override readonly name = "TlsSettingsError";
  readonly code = TLS_SETTINGS_FAILED;
}

/** The settings for a connection that is to be made. @throws TlsSettingsError where a function throws, or returns what cannot be used */
export function currentTls(source: TlsSource | undefined): TlsOptions | undefined {
  if (typeof source !== "function") return source;
  let given: unknown;
  try {
    given = source();
  } catch (error) {
    throw new TlsSettingsError(errorName(error));
  }
  if (typeof given !== "object" || given === null || isPromise(given)) throw new TlsSettingsError("no TLS settings");
  const { ca, cert, key } = given as TlsOptions;
  const tls = {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
  const [defect] = tlsDefects(tls);
  if (defect) throw new TlsSettingsError(`no ${defect.expected}`);
  return tls;
}

export interface TlsDefect {
  /** `undefined`: what is wrong lies between them. */
  readonly key: keyof TlsOptions | undefined;
  readonly expected: string;
}

/** What Node would only find out when it connects. */
export function tlsDefects({ ca, cert, key }: TlsOptions): readonly TlsDefect[] {
  const defects: TlsDefect[] = [];
  const authorities = [ca].flat();
  if (ca !== undefined && !(authorities.length > 0 && authorities.every(isAuthority)))
    defects.push({ key: "ca", expected: "certificates in PEM" });
  if ((cert === undefined) !== (key === undefined)) {
    return [
      ...defects,
      { key: undefined, expected: `cert and key together: ${cert === undefined ? "cert" : "key"} is missing` },
    ];
  }
  const isCert = cert === undefined || (isText(cert) && isUsable({ cert }));
  const isKey = key === undefined || (isText(key) && isUsable({ key }));
  if (!isCert) defects.push({ key: "cert", expected: "a certificate in PEM" });
  if (!isKey) defects.push({ key: "key", expected: "a key in PEM, not encrypted" });
  if (isCert && isKey && !isUsable({ cert, key }))
    defects.push({ key: undefined, expected: "cert and key that belong together" });
  return defects;
}

function isUsable(options: SecureContextOptions): boolean {
  try {
    createSecureContext(options);
    return true;
  } catch {
    return false;
  }
}

/** Node takes a text that is no certificate for none, and stops at the first that it cannot read: then it trusts no server. */
function isAuthority(text: unknown): boolean {
  if (!isText(text)) return false;
  const certificates = String(text).match(/-----BEGIN [^-]*CERTIFICATE-----[^-]+-----END [^-]*CERTIFICATE-----/g) ?? [];
  try {
    return certificates.map((pem) => new X509Certificate(pem)).length > 0;
  } catch {
    return false;
  }
}

function isText(value: unknown): value is string | Buffer {
  return typeof value === "string" || Buffer.isBuffer(value);
}
