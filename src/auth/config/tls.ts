import { isPromise } from "../../runtime/is-promise.js";
import { type TlsOptions, type TlsSource, tlsDefects } from "../../runtime/tls-options.js";
import { keysOf } from "./declaration.js";
import type { SettingReader } from "./setting-reader.js";
import { SETTINGS } from "./settings.js";

/**
 * Node looks at the certificates only when it connects: better to learn of a mistake at the start. A function is asked once for that.
 *
 * @param protocol of URLs that ask for TLS; those of Redis may name a cluster or sentinels behind a `+`
 */
export function readTls(
  read: SettingReader,
  upstream: string,
  given: TlsSource | undefined,
  urls: readonly string[],
  protocol = "https:",
): TlsSource | undefined {
  if (given === undefined) return undefined;
  const path = `${upstream}.tls`;
  const current = typeof given === "function" ? askedOnce(read, path, given) : given;
  const tls = read.section(path, current, keysOf(SETTINGS.grpc.tls));
  if (urls.some((url) => !new RegExp(`^${protocol.slice(0, -1)}[:+]`, "i").test(url)))
    read.problem(path, given, `no tls, or an ${protocol} URL in ${upstream}.url`);
  for (const { key, expected } of tlsDefects(tls)) read.secretProblem(key ? `${path}.${key}` : path, expected);
  return typeof given === "function" ? given : tls;
}

function askedOnce(read: SettingReader, path: string, source: () => TlsOptions): TlsOptions | undefined {
  let tls: TlsOptions | undefined;
  try {
    tls = source();
  } catch {
    // What it threw may hold a key.
  }
  if (tls !== undefined && !isPromise(tls)) return tls;
  if (tls !== undefined) Promise.resolve(tls).catch(() => undefined);
  read.secretProblem(path, "a function that returns certificates and keys in PEM at once");
  return undefined;
}
