import { bareHttpOf, type Upstream } from "../../transport/outcome.js";
import { hintOf } from "../failure-hints.js";
import type { Answers, Asked } from "./questions.js";

export const NEEDED_BY = "requireModule needs it, and nothing else";
/** Codes that the service gives, or a proxy before it. */
const OF_ITS_OWN =
  /^(HTTP (408|429|5\d\d)|Unavailable|Internal|Unknown|ResourceExhausted|DeadlineExceeded|Aborted|DataLoss)$/;
/** A proxy's, before a service that may well be gRPC's; of 404 the code tells enough. */
const OF_PROXIES = /^HTTP (401|403|404|408|429|5\d\d)$/;
const CODE_OF_GRPC = /^[A-Z][A-Za-z]+$/;

/** A failure as a check has it. */
export interface Failed {
  readonly status: "warning" | "failed";
  readonly message: string;
  readonly code: string | undefined;
  readonly fix: string | undefined;
}

/** @param asked the operation, as a sentence begins with it */
export function failedOf(
  upstream: Upstream,
  operation: keyof Answers,
  asked: string,
  { error, says }: Extract<Asked, { outcome: "failed" }>,
): Failed {
  const bareHttp = bareHttpOf(error);
  if (bareHttp !== undefined && !OF_PROXIES.test(bareHttp)) {
    const fix = "is it the web or REST address? gRPC listens on one of its own, often 50051";
    return { status: "failed", message: `${asked}: no gRPC there (${bareHttp})`, code: bareHttp.split(",")[0], fix };
  }
  const isLacking = operation === "GetOrganization" && error?.detail === "Unimplemented";
  return {
    status: isLacking ? "warning" : "failed",
    message: `${asked} is ${says}`,
    code: error?.detail,
    fix: isLacking ? NEEDED_BY : error && (hintOf(upstream, error) ?? lastResort(error.detail)),
  };
}

/** Where the code itself tells nothing. */
function lastResort(detail: string): string | undefined {
  if (OF_ITS_OWN.test(detail)) return "it was reached, and failed by itself: look at its log";
  if (/^HTTP \d+$/.test(detail)) {
    return "no answer of the contract: is rest.url (AUTH_REST_URL) the auth service's? A proxy before it may say so, too";
  }
  return CODE_OF_GRPC.test(detail)
    ? "no code of the contract: look at the log of the auth service, and of a proxy before it"
    : undefined;
}
