import { Code } from "@connectrpc/connect";
import type { Attributes } from "@opentelemetry/api";
import type { QuestionMessage } from "../auth/question-channel.js";
import type { CallMessage } from "../transport/call-channel.js";

/** The codes of gRPC, as the semantic conventions write them; `CANCELLED` apart, which Connect spells with one l. */
const GRPC_CODES: ReadonlySet<string> = new Set(
  Object.keys(Code)
    .filter((name) => /^[A-Z]/.test(name))
    .map(upperCased),
);

/** What came of a question. */
export function answerOf({ source, errorType }: QuestionMessage): Attributes {
  return errorType === undefined ? { "portero.source": source } : { "error.type": nameOf(errorType) };
}

/** What came of a try, in this package's terms. */
export function outcomeOf({ outcome, errorType }: CallMessage): Attributes {
  return { "portero.outcome": outcome, ...(errorType !== undefined && { "error.type": bounded(errorType) }) };
}

/** A try over gRPC, in those of the semantic conventions for RPC. */
export function rpcOf({ operation }: CallMessage): Attributes {
  return { "rpc.system.name": "grpc", "rpc.method": `auth.AuthService/${operation}` };
}

/** What came of it. */
export function rpcEndOf({ outcome, errorType }: CallMessage): Attributes {
  if (outcome === "answered") return { "rpc.status_code": "OK" };
  const code = statusCode(outcome, errorType);
  return { ...(code !== undefined && { "rpc.status_code": code }), "error.type": code ?? bounded(errorType ?? "") };
}

function statusCode(outcome: CallMessage["outcome"], errorType = ""): string | undefined {
  if (outcome === "cancelled" || errorType === "Canceled") return "CANCELLED";
  if (errorType === "timeout") return "DEADLINE_EXCEEDED";
  const code = upperCased(errorType);
  if (GRPC_CODES.has(code)) return code;
  return outcome === "unreachable" ? "UNAVAILABLE" : undefined;
}

function upperCased(name: string): string {
  return name.replace(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

/** Codes of tries: those of a custom transport or agent can be anything, and each would be a series. */
const MAX_CODES = 50;
const codes = new Set<string>();

function bounded(code: string): string {
  if (codes.has(code)) return code;
  if (codes.size >= MAX_CODES || !/^[A-Za-z][\w .-]{1,63}$/.test(code)) return "_OTHER";
  codes.add(code);
  return code;
}

/** As the semantic conventions name what has no name. */
export function nameOf(code: string): string {
  return code === "other" ? "_OTHER" : code;
}
