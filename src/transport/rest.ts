import { Agent as HttpAgent, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import type { Got } from "got";
import { lazyImport } from "../runtime/lazy-import.js";
import type { TlsOptions } from "./grpc-session.js";
import { UpstreamError } from "./outcome.js";
import { decodeRestAnswer, MalformedAnswerError } from "./rest-answer.js";
import { fromHttpStatus, fromNetworkError } from "./rest-outcome.js";
import { type RestPaths, toRestRequest } from "./rest-request.js";
import { type UnaryCall, unaryTransport } from "./stage.js";

export interface RestUpstreamOptions {
  /** Base URL; the paths are appended to it. */
  url: string;
  tls?: TlsOptions;
  paths: RestPaths;
  /** A larger answer is no answer. */
  maxAnswerBytes: number;
  /** Wall time in milliseconds, for a `Retry-After` that is a date. */
  now: () => number;
}

export interface RestUpstream {
  readonly transport: Transport;
  /** Loads the HTTP client, which takes tens of milliseconds: better before it is needed than in the middle of an outage. */
  warm(): void;
  close(): void;
}

/** The auth service over REST. Its errors are {@link UpstreamError}s. */
export function createRestUpstream(options: RestUpstreamOptions): RestUpstream {
  const base = options.url.replace(/\/+$/, "");
  const agents = {
    http: new HttpAgent({ keepAlive: true }),
    https: new HttpsAgent({
      keepAlive: true,
      ...(options.tls as { ca?: string; cert?: string; key?: string } | undefined),
    }),
  };
  const loadGot = lazyImport<{ default: Got }>(() => import("got"), "got");
  let client: Got | undefined; // with the settings of every request, which are costly to read

  const transport = unaryTransport(async <I extends DescMessage, O extends DescMessage>(call: UnaryCall<I, O>) => {
    client ??= (await loadGot()).default.extend({
      agent: agents,
      decompress: false,
      followRedirect: false, // the token would travel
      responseType: "buffer",
      retry: { limit: 0 }, // ours knows the deadline
      throwHttpErrors: false,
    });
    const { statusCode, headers, rawBody } = await send(client, call);
    if (statusCode !== 200) throw fromHttpStatus(call.method, statusCode, headers["retry-after"], options.now);
    const message = decode(call, rawBody) as MessageShape<O>;
    const { method } = call;
    return { stream: false, service: method.parent, method, header: new Headers(), message, trailer: new Headers() };
  });

  async function send<I extends DescMessage, O extends DescMessage>(got: Got, call: UnaryCall<I, O>) {
    const { method, path, json, headers } = toRestRequest(call.method, call.message, options.paths);
    const answer = got(base + path, {
      method,
      ...(json && { json }),
      headers: {
        ...(call.header && Object.fromEntries(new Headers(call.header))),
        accept: "application/json",
        "accept-encoding": "identity", // an answer is small, and a compressed one could be a bomb
        "user-agent": "portero",
        ...headers,
      },
      signal: call.signal, // ends it at its timeout too: the stage around this one sees to that
    });
    let incoming: IncomingMessage | undefined;
    let defect: string | undefined;
    answer.on("request", (request) => {
      request.once("response", (response) => {
        incoming = response;
      });
      request.once("upgrade", () => {
        defect ??= "HTTP 101";
        request.emit("error", new Error(defect)); // Node tells nobody; got destroys the request, and the connection with it
      });
    });
    answer.on("downloadProgress", ({ transferred }) => {
      if (defect !== undefined || transferred <= options.maxAnswerBytes) return;
      defect = "answer too large";
      incoming?.destroy(new Error(defect)); // cheaper than an AbortController for each request
    });
    try {
      const response = await answer;
      if (defect === undefined) return response;
    } catch (error) {
      if (defect === undefined) throw call.signal?.aborted ? call.signal.reason : fromNetworkError(error);
    }
    throw new UpstreamError("rest", "broken", defect);
  }

  return {
    transport,
    warm: () => void loadGot().catch(() => undefined), // the call that needs it will say so
    close: () => {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

function decode({ method }: Pick<UnaryCall, "method">, body: Uint8Array) {
  try {
    return decodeRestAnswer(method, body);
  } catch (error) {
    if (error instanceof MalformedAnswerError) throw new UpstreamError("rest", "broken", error.message);
    throw error;
  }
}
