import { currentTls, type TlsSource } from "../../runtime/tls-options.js";
import type { CredentialHeaders } from "../../transport/credentials.js";
import { DEFAULT_REST_PATHS, type RestPaths } from "../../transport/rest-request.js";
import type { GrpcConfig, RestConfig } from "./upstreams.js";

/** The settings that the answers depend on. */
export interface AnswerSources {
  readonly grpc: GrpcConfig | undefined;
  readonly rest: RestConfig | undefined;
  readonly headers: CredentialHeaders | undefined;
}

/**
 * Identifies the auth service in the keys of a shared cache, where no namespace does: by the URLs of its upstreams, and `rest.paths`
 * where they differ from the defaults. With default paths it is as in version 0.1.0, so that invalidations hold through an upgrade.
 */
export function identityOf({ grpc, rest }: AnswerSources): string {
  const paths = Object.entries(rest?.paths ?? {}).filter(
    ([operation, path]) => path !== DEFAULT_REST_PATHS[operation as keyof RestPaths],
  );
  const urls = [withoutUserInfo(grpc?.urls[0]), withoutUserInfo(rest?.url)];
  return JSON.stringify(paths.length > 0 ? [...urls, Object.fromEntries(paths)] : urls);
}

/**
 * Other settings that can change the answers, as an error names them. They cannot be a part of the identity: credentials could be guessed
 * from the names of keys, and two functions cannot be compared.
 */
export function shapersOf({ grpc, rest, headers }: AnswerSources): string[] {
  const hasHeaders = typeof headers === "function" || Object.keys(headers ?? {}).length > 0;
  return [
    ...(grpc?.transport ? ["grpc.transport"] : []),
    ...(grpc && grpc.interceptors.length > 0 ? ["grpc.interceptors"] : []),
    ...(rest?.agent ? ["rest.agent"] : []),
    ...(grpc && grpc.urls.length > 1 ? ["more than one grpc.url"] : []),
    ...(grpc?.urls.some(hasUserInfo) ? ["the user-info in grpc.url"] : []),
    ...(hasUserInfo(rest?.url) ? ["the user-info in rest.url"] : []),
    ...(Object.values(rest?.paths ?? {}).some((path) => path.includes("?")) ? ["the query in rest.paths"] : []),
    ...(hasCertificate(grpc?.tls) ? ["the certificate in grpc.tls"] : []),
    ...(hasCertificate(rest?.tls) ? ["the certificate in rest.tls"] : []),
    ...(hasHeaders ? ["headers"] : []),
  ];
}

/** It is a credential of this service, as headers may be. */
function hasCertificate(tls: TlsSource | undefined): boolean {
  try {
    return currentTls(tls)?.cert !== undefined;
  } catch {
    return false; // which is a problem of its own
  }
}

function hasUserInfo(url: string | undefined): boolean {
  if (url === undefined || !URL.canParse(url)) return false;
  const { username, password } = new URL(url);
  return username !== "" || password !== "";
}

function withoutUserInfo(url: string | undefined): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined;
  const compared = new URL(url);
  compared.username = "";
  compared.password = "";
  return compared.href;
}
