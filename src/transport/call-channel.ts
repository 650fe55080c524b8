import type { Transport } from "@connectrpc/connect";
import { channels, Traced, trace } from "../runtime/channels.js";
import type { Clock } from "../runtime/clock.js";
import { checkedHeaders } from "./checked-headers.js";
import { isTimeout } from "./grpc-outcome.js";
import { type Operation, operationOf } from "./operation.js";
import { type Failure, type Upstream, UpstreamError } from "./outcome.js";
import { forward, type UnaryCall, unaryTransport } from "./stage.js";

/** How a try ended. `cancelled`: nothing waits for it any more. */
export type CallOutcome = "answered" | Failure | "cancelled";

/** Headers that are ours, the protocols', or say who asks. */
const RESERVED =
  /^(:.*|grpc-.*|content-.*|accept.*|proxy-.*|sec-.*|authorization|cookie|host|te|trailer|connection|keep-alive|upgrade|transfer-encoding|expect|user-agent|cache-control|forwarded|x-forwarded-.*|x-real-ip|x-tenant-id)$/;
const NAME = /^[a-z0-9!#$%&'*+\-.^_`|~]{1,64}$/;
const VALUE = /^[\x21-\x7e]([\x20-\x7e]{0,8190}[\x21-\x7e])?$/;
/** So many of one call, at most. */
const MAX_HEADERS = 16;

/** Not a part of the message, however it is looked at: the service's own credentials are among them. */
const headersOf = new WeakMap<
  object,
  { readonly given: UnaryCall["header"]; added: Record<string, string> | undefined }
>();

/** One try, as `portero:call` tells of it. */
export class CallMessage extends Traced {
  outcome: CallOutcome | undefined;
  /** The gRPC code, HTTP status or system error code of a try that brought no answer. */
  errorType: string | undefined;

  constructor(
    readonly client: object,
    readonly upstream: Upstream,
    readonly operation: Operation,
    header: UnaryCall["header"],
  ) {
    super();
    headersOf.set(this, { given: header, added: undefined });
  }

  /**
   * Sends a header with the try, as metadata over gRPC: for the context of a trace. To be called at `start`.
   *
   * @returns whether it is sent: not where the name is reserved, is one of the service's own credentials or was set before, and not what
   *   is no header
   */
  setHeader(name: string, value: string): boolean {
    const key = String(name).toLowerCase();
    const headers = headersOf.get(this);
    if (!headers || !NAME.test(key) || RESERVED.test(key) || typeof value !== "string" || !VALUE.test(value))
      return false;
    headers.added ??= Object.create(null) as Record<string, string>;
    const { given, added } = headers;
    if (key in added || Object.keys(added).length >= MAX_HEADERS) return false;
    if (given !== undefined && new Headers(given).has(key)) return false;
    added[key] = value;
    return true;
  }
}

/** Once, after which none can be added. */
function takeHeader(message: CallMessage, header: UnaryCall["header"]): UnaryCall["header"] {
  const headers = headersOf.get(message);
  headersOf.delete(message);
  if (!headers?.added) return header;
  if (header === undefined) return checkedHeaders(headers.added);
  const all = new Headers(header);
  for (const [name, value] of Object.entries(headers.added)) all.set(name, value);
  return all;
}

/** Tells of each try, however the stages before came to it. */
export function withCallChannel(
  inner: Transport,
  { client, upstream, clock }: { client: object; upstream: Upstream; clock: Clock },
): Transport {
  const monotonic = () => clock.monotonic();
  return unaryTransport((call) => {
    if (!channels.call.hasSubscribers) return forward(inner, call);
    const message = new CallMessage(client, upstream, operationOf(call.method), call.header);
    return trace(channels.call, message, () => forward(inner, { ...call, header: takeHeader(message, call.header) }), {
      monotonic,
      answered() {
        message.outcome = "answered";
      },
      failed(error) {
        const { outcome, errorType } = endingOf(error);
        message.outcome = outcome;
        message.errorType = errorType;
      },
    });
  });
}

function endingOf(error: unknown): { outcome: CallOutcome; errorType: string | undefined } {
  if (error instanceof UpstreamError) return { outcome: error.failure, errorType: error.detail };
  if (isTimeout(error)) return { outcome: "unreachable", errorType: "timeout" };
  return { outcome: "cancelled", errorType: undefined };
}
