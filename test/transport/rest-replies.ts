import type { RawRestServer } from "../support/raw-upstreams.js";

/** What a raw REST server does with a request. */
export type RestReply = RawRestServer["reply"];

export const ANA = { user_id: "ana", organization_id: "org-1", email: "ana@example.com", is_active: true };

/** For every row; longer answers are none. */
export const MAX_ANSWER_BYTES = 2048;

export function status(code: number, headers: Record<string, string> = {}): RestReply {
  return (response) => {
    // A body that would do as an answer: the status alone must decide.
    response.writeHead(code, { "content-type": "application/json", ...headers }).end(JSON.stringify(ANA));
  };
}

export function json(value: unknown): RestReply {
  return body(JSON.stringify(value));
}

export function body(bytes: string | Buffer, headers: Record<string, string> = {}): RestReply {
  return (response) => {
    response.writeHead(200, { "content-type": "application/json", ...headers }).end(bytes);
  };
}

/** What the raw socket gets, instead of a response that Node would write. */
export function raw(bytes: string): RestReply {
  return (response) => {
    response.socket?.end(bytes);
  };
}

/** The connection ends before the response begins. */
export const hangsUp: RestReply = (response) => response.socket?.destroy();

/** The connection ends before the promised length is there. */
export const cutShort: RestReply = (response) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
  response.write(JSON.stringify(ANA), () => response.socket?.destroy());
};

/** The same in chunks: without the last one, the whole JSON is still not the whole answer. */
export const cutShortInChunks: RestReply = (response) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.write(JSON.stringify(ANA), () => response.socket?.destroy());
};

/** The answer begins and does not go on. */
export const stopsHalfWay: RestReply = (response) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.write('{"user_id":"ana",');
};

/** A good answer, and blanks behind it without end. */
export const endless: RestReply = (response) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.write(JSON.stringify(ANA));
  const blanks = Buffer.alloc(1024, " ");
  const more = () => {
    if (!response.destroyed) response.write(blanks, () => setImmediate(more));
  };
  more();
};
