import * as http2 from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { FrameReader } from "./grpc-frame.js";

const { NGHTTP2_CANCEL } = http2.constants;
/** Errors of Node that mean "try later", and those that mean "it was cut off", as Connect tells them apart. All others are INTERNAL. */
const UNAVAILABLE: readonly unknown[] = ["ETIMEDOUT", "ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED"];
const ABORTED: readonly unknown[] = ["ERR_STREAM_DESTROYED", "ERR_HTTP2_INVALID_STREAM", "ECONNRESET"];

/** What came back on a stream that ended well. */
export interface Reply {
  /** `undefined` when the answer holds no frame. */
  readonly message: Uint8Array | undefined;
  readonly trailers: http2.IncomingHttpHeaders | undefined;
}

export interface ExchangeOptions {
  readonly signal: AbortSignal | undefined;
  /** The largest message, in bytes: one that announces more ends the call before it is read. */
  readonly maxBytes: number;
  /** Told of the headers of the answer; ends the call by throwing. */
  readonly onHeaders: (headers: http2.IncomingHttpHeaders) => void;
  /** Told of each piece of the answer. */
  readonly onBytes: () => void;
}

/**
 * Writes one frame on a stream and reads one. Rejects with a {@link ConnectError}, or with what `onHeaders` threw; a stream that is not
 * over by then is closed with CANCEL. What happens on it afterwards is ignored.
 *
 * @param stream that nothing was written to yet
 */
export function exchange(
  stream: http2.ClientHttp2Stream,
  frame: Uint8Array,
  { signal, maxBytes, onHeaders, onBytes }: ExchangeOptions,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const reader = new FrameReader(maxBytes);
    let hasHeaders = false;
    let trailers: http2.IncomingHttpHeaders | undefined;
    let settled = false;
    const settle = (): boolean => {
      if (settled) return false;
      settled = true;
      signal?.removeEventListener("abort", onAbort);
      return true;
    };
    const fail = (error: unknown) => {
      if (!settle()) return;
      reject(error);
      if (!stream.closed) stream.close(NGHTTP2_CANCEL);
    };
    const onAbort = () => fail(abortError(signal as AbortSignal));
    stream.on("response", (headers) => {
      hasHeaders = true;
      attempt(() => onHeaders(headers));
    });
    stream.on("data", (chunk: Buffer) => {
      if (settled) return;
      onBytes();
      attempt(() => reader.add(chunk));
    });
    stream.on("trailers", (headers) => {
      trailers = headers;
    });
    // Trailers come before it. A stream without an answer ends as well, and one that was cancelled: how, their "close" says.
    stream.on("end", () => {
      if (!hasHeaders || stream.rstCode) return;
      attempt(() => {
        const message = reader.end();
        if (settle()) resolve({ message, trailers });
      });
    });
    // Not made where it is not needed: each call ends with a "close", and an error takes its time.
    stream.on("error", (error) => settled || fail(networkError(error)));
    stream.on("close", () => settled || fail(closedError(stream.rstCode)));
    if (signal?.aborted) return onAbort();
    signal?.addEventListener("abort", onAbort);
    stream.end(frame);

    function attempt(step: () => void): void {
      try {
        step();
      } catch (error) {
        fail(error);
      }
    }
  });
}

/** @param signal that was aborted */
export function abortError(signal: AbortSignal): ConnectError {
  return ConnectError.from(signal.reason, Code.Canceled);
}

/** The error of a connection or a stream, which it keeps as its cause. */
export function networkError(error: Error): ConnectError {
  const { code } = error as NodeJS.ErrnoException;
  if (UNAVAILABLE.includes(code)) return ConnectError.from(error, Code.Unavailable);
  return ConnectError.from(error, ABORTED.includes(code) ? Code.Aborted : Code.Internal);
}

/** Of a stream that was closed in the middle, without an error: Node has none for CANCEL. */
function closedError(rstCode: number): ConnectError {
  const code = rstCode === NGHTTP2_CANCEL ? Code.Canceled : Code.Unavailable;
  return new ConnectError(`http/2 stream closed with error code 0x${rstCode.toString(16)}`, code);
}
