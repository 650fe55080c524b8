import type { Agent, IncomingMessage } from "node:http";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { Code, type Transport, type UnaryResponse } from "@connectrpc/connect";
import type { Got } from "got";
import type { Clock } from "../runtime/clock.js";
import { type DependencyError, lazyImport } from "../runtime/lazy-import.js";
import type { TlsSource } from "../runtime/tls-options.js";
import { untraced } from "../runtime/untraced.js";
import { isFresh } from "./call-context.js";
import { answersAnother } from "./operation.js";
import { UpstreamError } from "./outcome.js";
import { decodeRestAnswer, MalformedAnswerError } from "./rest-answer.js";
import { type Agents, Connection, RestConnections } from "./rest-connections.js";
import { fromHttpStatus, fromNetworkError, isAnswer } from "./rest-outcome.js";
import { type RestPaths, toRestRequest } from "./rest-request.js";
import { type UnaryCall, unaryTransport } from "./stage.js";

export interface RestUpstreamOptions {
  /** Base URL; the paths are appended to it. */
  url: string;
  tls?: TlsSource;
  /** Makes the connections, in the place of our own. */
  agent?: Agent;
  paths: RestPaths;
  /** A larger answer is no answer. */
  maxAnswerBytes: number;
  clock: Clock;
  /** From 0 (included) to 1 (excluded). */
  random: () => number;
}

export interface RestUpstream {
  readonly transport: Transport;
  /** The same on a connection that it makes, for what an idle one has lost. */
  readonly anew: Transport;
  /** Drops idle connections: a probe must not fail for one that died long ago. */
  renew(): void;
  /**
   * Loads the HTTP client, which takes tens of milliseconds: better before it is needed than in the middle of an outage. Rejects with a
   * `DependencyError` where that cannot be done.
   */
  warm(): Promise<void>;
  close(): void;
}

/** Of every answer: no stage reads them, and to make two takes longer than to read the message. */
let noHeaders: Headers | undefined; // Node loads all of `fetch` with the first one, which a process may never need

/** The auth service over REST. Its errors are {@link UpstreamError}s. */
export function createRestUpstream(options: RestUpstreamOptions): RestUpstream {
  const now = () => options.clock.now();
  const base = options.url.replace(/\/+$/, "");
  const connections = new RestConnections(options);
  const loadGot = lazyImport<{ default: Got }>(() => import("got"), "got");
  let client: Got | undefined; // with the settings of every request, which are costly to read

  const loaded = () =>
    loadGot().catch(({ specifier, cause }: DependencyError) => {
      const error = fromNetworkError(cause);
      throw error.ours ? error : new UpstreamError("rest", "broken", `no package ${specifier}`);
    });

  const transport = unaryTransport((call) => ask(call, () => connections.kept()));
  const anew = unaryTransport((call) => ask(call, () => connections.anew()));

  async function ask<I extends DescMessage, O extends DescMessage>(
    call: UnaryCall<I, O>,
    agents: () => Agents,
  ): Promise<UnaryResponse<I, O>> {
    client ??= (await loaded()).default.extend({
      decompress: false,
      followRedirect: false, // the token would travel
      responseType: "buffer",
      retry: { limit: 0 }, // ours knows the deadline
      throwHttpErrors: false,
    });
    const { statusCode, headers, rawBody } = await send(client, call, agents());
    if (!isAnswer(statusCode))
      throw untraced(() => fromHttpStatus(call.method, statusCode, headers["retry-after"], now));
    const message = decode(call, rawBody) as MessageShape<O>;
    const defect = answersAnother(call.method, call.message, message);
    if (defect) throw new UpstreamError("rest", "broken", defect);
    const { method } = call;
    noHeaders ??= new Headers();
    return { stream: false, service: method.parent, method, header: noHeaders, message, trailer: noHeaders };
  }

  async function send<I extends DescMessage, O extends DescMessage>(got: Got, call: UnaryCall<I, O>, agent: Agents) {
    const { signal } = call;
    signal?.throwIfAborted();
    const { method, path, json, headers } = toRestRequest(call.method, call.message, options.paths);
    const answer = got(base + path, {
      agent,
      method,
      ...(json && { json }),
      headers: {
        ...(call.header && Object.fromEntries(new Headers(call.header))),
        accept: "application/json",
        "accept-encoding": "identity", // an answer is small, and a compressed one could be a bomb
        "user-agent": "portero",
        ...(isFresh(call.context) && { "cache-control": "no-cache" }), // RFC 9111 §5.2.1.4
        ...headers,
      },
    });
    let incoming: IncomingMessage | undefined;
    let defect: string | undefined;
    let connection: Connection | undefined;
    answer.on("request", (request) => {
      connection = new Connection(request);
      if (signal?.aborted) return connection.end();
      request.once("response", (response) => {
        incoming = response;
      });
      request.once("upgrade", () => {
        defect ??= "HTTP 101";
        request.emit("error", new Error(defect)); // Node emits no error; got destroys the request, and the connection with it
      });
    });
    answer.on("downloadProgress", ({ transferred }) => {
      if (defect !== undefined || transferred <= options.maxAnswerBytes) return;
      defect = "answer too large";
      incoming?.destroy(new Error(defect)); // cheaper than an AbortController for each request
    });
    let giveUp!: (reason: unknown) => void;
    const settled = new Promise<Awaited<typeof answer>>((resolve, reject) => {
      giveUp = reject; // a request that waits for a connection says nothing when it is ended
      answer.then(resolve, reject);
    });
    // At its timeout too: the stage around this one sees to that. Idle ones are dropped at once, so that the next request connects anew
    // already. A signal given to got as well would cost each request more than all that is listened to here.
    const onAbort = () => {
      if (isTimeout(signal?.reason) && connection?.reused) connections.dropIdle();
      connection?.end();
      giveUp(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      const response = await settled;
      if (defect === undefined) return response;
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (defect === undefined) throw fromNetworkError(error, connection?.wasDead);
    } finally {
      signal?.removeEventListener("abort", onAbort);
      if (connection?.socket) connections.used(connection.socket);
    }
    throw new UpstreamError("rest", "broken", defect);
  }

  return {
    transport,
    anew,
    renew: () => connections.dropIdle(),
    warm: async () => void (await loadGot()),
    close: () => connections.close(),
  };
}

/** The stage around this one ends a request so when its time is over. */
function isTimeout(reason: unknown): boolean {
  return (reason as { code?: unknown } | undefined)?.code === Code.DeadlineExceeded;
}

function decode({ method }: Pick<UnaryCall, "method">, body: Uint8Array) {
  try {
    return decodeRestAnswer(method, body);
  } catch (error) {
    if (error instanceof MalformedAnswerError) throw new UpstreamError("rest", "broken", error.message);
    throw error;
  }
}
