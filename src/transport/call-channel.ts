import type { Transport } from "@connectrpc/connect";
import { channels, Traced, trace } from "../runtime/channels.js";
import type { Clock } from "../runtime/clock.js";
import { isUntold, setUntold } from "./call-context.js";
import { type CallOutcome, endingOf, type OutcomeCounter } from "./call-outcome.js";
import { checkedHeaders } from "./checked-headers.js";
import { type Operation, operationOf } from "./operation.js";
import type { Upstream } from "./outcome.js";
import { forward, type UnaryCall, unaryTransport } from "./stage.js";

/** Headers that are ours, the protocols', or say who asks. */
const RESERVED =
  /^(:.*|grpc-.*|content-.*|accept.*|proxy-.*|sec-.*|authorization|cookie|host|te|trailer|connection|keep-alive|upgrade|transfer-encoding|expect|user-agent|cache-control|forwarded|x-forwarded-.*|x-real-ip|x-tenant-id)$/;
const NAME = /^[a-z0-9!#$%&'*+\-.^_`|~]{1,64}$/;
const VALUE = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/;
/** Of one call, at most: so many, and so many bytes of names and values. The token needs room, and a server may take 8 KiB of headers. */
const [MAX_HEADERS, MAX_HEADER_BYTES] = [16, 2048];

/** Not a part of the message, however it is looked at: the service's own credentials are among them. */
const headersOf = new WeakMap<
  object,
  { readonly given: UnaryCall["header"]; added: Record<string, string> | undefined; bytes: number }
>();

/** One try, as `portero:call` tells of it. */
export class CallMessage extends Traced {
  /** `undefined` until it is over, and where REST has no form for the question: nothing was asked. */
  outcome: CallOutcome | undefined;
  /** The gRPC code, HTTP status or system error code of a try that brought no answer; `timeout`: it took longer than its timeout. */
  errorType: string | undefined;

  constructor(
    readonly client: object,
    readonly upstream: Upstream,
    readonly operation: Operation,
    header: UnaryCall["header"],
  ) {
    super();
    headersOf.set(this, { given: header, added: undefined, bytes: 0 });
  }

  /**
   * Sends a header with the try, as metadata over gRPC: for the context of a trace. To be called at `start`.
   *
   * @returns whether it is sent: not where the name is reserved, is one of the service's own credentials or was set before, not what
   *   is no header, and no more than 16 or 2048 bytes of names and values
   */
  setHeader(name: string, value: string): boolean {
    const key = String(name).toLowerCase();
    const headers = headersOf.get(this);
    if (!headers || !NAME.test(key) || RESERVED.test(key) || typeof value !== "string" || !VALUE.test(value))
      return false;
    headers.added ??= Object.create(null) as Record<string, string>;
    const { given, added } = headers;
    const bytes = headers.bytes + key.length + value.length;
    if (key in added || Object.keys(added).length >= MAX_HEADERS || bytes > MAX_HEADER_BYTES) return false;
    if (given !== undefined && new Headers(given).has(key)) return false;
    added[key] = value;
    headers.bytes = bytes;
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

export interface CallChannelOptions {
  readonly client: object;
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly tries: OutcomeCounter;
}

/** Counts each try and tells of it, however the stages before came to it: `status()` and the metrics have the same numbers. */
export function withCallChannel(inner: Transport, { client, upstream, clock, tries }: CallChannelOptions): Transport {
  const monotonic = () => clock.monotonic();
  return unaryTransport((call) => {
    if (isUntold(call.context)) return forward(inner, call);
    if (!channels.call.hasSubscribers) {
      const running = forward(inner, call);
      running.then(
        () => tries.count("answered"),
        (error) => tries.count(endingOf(error).outcome),
      );
      return running;
    }
    const message = new CallMessage(client, upstream, operationOf(call.method), call.header);
    return trace(channels.call, message, () => forward(inner, { ...call, header: takeHeader(message, call.header) }), {
      monotonic,
      answered() {
        message.outcome = "answered";
        tries.count("answered");
      },
      failed(error) {
        const { outcome, errorType } = endingOf(error);
        message.outcome = outcome;
        message.errorType = errorType;
        tries.count(outcome);
      },
    });
  });
}

/** Asks without a trace in counts and messages, and so in metrics: a diagnosis does. */
export function untold(inner: Transport): Transport {
  return unaryTransport((call) => forward(inner, { ...call, context: setUntold(call.context) }));
}
