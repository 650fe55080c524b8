import { X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import type { TlsOptions } from "../../runtime/tls-options.js";
import { keysOf } from "./declaration.js";
import type { SettingReader } from "./setting-reader.js";
import { SETTINGS } from "./settings.js";

export function readTls(
  read: SettingReader,
  upstream: string,
  given: TlsOptions | undefined,
  url: string | undefined,
  protocol = "https:",
) {
  if (given === undefined) return undefined;
  const tls = read.section(`${upstream}.tls`, given, keysOf(SETTINGS.grpc.tls));
  if (url && new URL(url).protocol !== protocol)
    read.problem(`${upstream}.tls`, given, `no tls, or an ${protocol} URL in ${upstream}.url`);
  checkPem(read, `${upstream}.tls`, tls);
  return tls;
}

/** Node looks at the certificates only when it connects: better to learn of a mistake at the start. */
function checkPem(read: SettingReader, path: string, { ca, cert, key }: TlsOptions): void {
  const authorities = [ca].flat();
  if (ca !== undefined && !(authorities.length > 0 && authorities.every(isAuthority)))
    read.secretProblem(`${path}.ca`, "certificates in PEM");
  if ((cert === undefined) !== (key === undefined)) return read.secretProblem(path, "cert and key together");
  const isCert = cert === undefined || (isText(cert) && isUsable({ cert }));
  const isKey = key === undefined || (isText(key) && isUsable({ key }));
  if (!isCert) read.secretProblem(`${path}.cert`, "a certificate in PEM");
  if (!isKey) read.secretProblem(`${path}.key`, "a key in PEM, not encrypted");
  if (isCert && isKey && !isUsable({ cert, key })) read.secretProblem(path, "cert and key that belong together");
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
