import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Fate, fateOf } from "./grpc-fate.js";
import { isLookup } from "./operation.js";
import { isOurs, UpstreamError, withBareHttp } from "./outcome.js";
import type { UnaryCall } from "./stage.js";

const TOKEN_REFUSALS: readonly Code[] = [
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.InvalidArgument,
  Code.NotFound,
];
const LOOKUP_REFUSALS: readonly Code[] = [Code.NotFound, Code.InvalidArgument];
const CREDENTIAL_REFUSALS: readonly Code[] = [Code.Unauthenticated, Code.PermissionDenied];
const UNREACHABLE: readonly Code[] = [Code.Unavailable, Code.DeadlineExceeded, Code.Canceled];

/**
 * What a Connect transport threw, as an outcome of the contract.
 *
 * @param isVerdict whether the code in it is the service's word
 */
export function toUpstreamError(
  error: unknown,
  { method }: Pick<UnaryCall, "method">,
  isVerdict: (error: ConnectError) => boolean,
): UpstreamError {
  if (!isConnectError(error)) return new UpstreamError("grpc", "broken", "an interceptor or transport failed");
  return isVerdict(error) ? fromGrpcStatus(method, error.code) : fromNetworkError(error);
}

/** What a status means that is the service's own word. */
export function fromGrpcStatus(method: DescMethod, code: Code): UpstreamError {
  const detail = nameOf(code);
  const lookup = isLookup(method);
  if ((lookup ? LOOKUP_REFUSALS : TOKEN_REFUSALS).includes(code)) return new UpstreamError("grpc", "refused", detail);
  if (code === Code.ResourceExhausted) return new UpstreamError("grpc", "busy", detail);
  if (UNREACHABLE.includes(code)) {
    return new UpstreamError("grpc", "unreachable", detail, { timedOut: code === Code.DeadlineExceeded });
  }
  return new UpstreamError("grpc", "broken", detail, {
    healthy: code === Code.Unimplemented,
    credentialRefused: lookup && CREDENTIAL_REFUSALS.includes(code),
  });
}

/** What a call means that brought no word of the service: the network failed, a proxy answered, or Connect could not read the answer. */
export function fromNetworkError(error: ConnectError): UpstreamError {
  const { code } = error;
  if (isBusyHttp(error)) return new UpstreamError("grpc", "busy", nameOf(code));
  if (isOversized(error)) return new UpstreamError("grpc", "broken", "answer too large");
  const { systemCode, fate } = trace(error);
  if (systemCode === undefined && code !== Code.ResourceExhausted && !UNREACHABLE.includes(code)) {
    return withBareHttp(new UpstreamError("grpc", "broken", nameOf(code)), bareHttpIn(error));
  }
  return new UpstreamError("grpc", "unreachable", systemCode ?? nameOf(code), {
    timedOut: isTimeout(error),
    network: !isBareHttp(error),
    unprocessed: fate === "unprocessed",
    unconnected: fate === "unconnected",
    ours: fate === "cut off" || isOurs(systemCode),
  });
}

/** Only a real `grpc-status` is the service's word: connect-node makes the same codes out of a proxy's bare HTTP 401 and 403. */
export function believesGrpcStatus(error: ConnectError): boolean {
  return error.metadata.get("grpc-status") === String(error.code);
}

/** What Connect says itself, with codes that could be a service's: of answers that it could not read, and of the network. */
const OWN_WORDS = /^(protocol error|http\/2 |HTTP \d+$|message( size \d+| size)? is larger than configured )/;

/**
 * The service's word where a transport may speak a protocol without `grpc-status`: what came in an answer brought its headers along. A
 * transport of another making may leave them out; then it is what Connect did not make, out of another error or in its own words.
 */
export function isServiceWord(error: ConnectError): boolean {
  if (isBareHttp(error) || trace(error).systemCode !== undefined) return false;
  const hasHeaders = !error.metadata.keys().next().done;
  return hasHeaders || (error.cause === undefined && !OWN_WORDS.test(error.rawMessage));
}

/** RESOURCE_EXHAUSTED is what Connect says of an answer past `readMaxBytes`, and of an overloaded HTTP/2 peer. */
function isOversized(error: ConnectError): boolean {
  return error.code === Code.ResourceExhausted && !error.rawMessage.startsWith("http/2");
}

/** What the network said of a failure, and what our connection knows about it, from the chain of causes. */
function trace(error: ConnectError): { systemCode?: string; fate?: Fate } {
  const found: { systemCode?: string; fate?: Fate } = {};
  let cause: unknown = error.cause;
  for (let depth = 0; depth < 5 && typeof cause === "object" && cause !== null; depth++) {
    const { code, cause: next } = cause as { code?: unknown; cause?: unknown };
    found.fate ??= fateOf(cause);
    if (typeof code === "string") found.systemCode ??= code;
    cause = next;
  }
  return found;
}

/** Connect makes a code out of the HTTP status of a proxy that sent no `grpc-status`. */
function isBareHttp(error: ConnectError): boolean {
  return /^HTTP \d+$/.test(error.rawMessage);
}

/** Content types that can be shown: another one is what the upstream wrote. */
const SHOWN_TYPES: readonly string[] = ["text/html", "text/plain", "application/json", "application/grpc-web"];

/** What came in the place of gRPC, by Connect's own words. */
function bareHttpIn(error: ConnectError): string | undefined {
  if (isBareHttp(error)) return error.rawMessage;
  const [, type] = /^unsupported content type ([^;\s]*)/.exec(error.rawMessage) ?? [];
  if (type === undefined) return undefined;
  const shown = SHOWN_TYPES.includes(type) ? type : type === "null" ? "no content type" : "another content type";
  return `HTTP 200, ${shown}`;
}

/** A limiter in front of the service: alive, as one that says RESOURCE_EXHAUSTED (RFC 6585 §4, RFC 9110 §15.5.9). */
function isBusyHttp(error: ConnectError): boolean {
  return /^HTTP (408|429)$/.test(error.rawMessage);
}

function nameOf(code: Code): string {
  return Code[code] ?? String(code);
}

export function isTimeout(error: unknown): boolean {
  return isConnectError(error) && error.code === Code.DeadlineExceeded;
}

/** By shape: `instanceof` fails between two copies of the library, and between the realms of Jest. */
function isConnectError(error: unknown): error is ConnectError {
  return ConnectError[Symbol.hasInstance](error) || (error as ConnectError | null)?.name === "ConnectError";
}
