import type { IncomingMessage, ServerResponse } from "node:http";
import type { Handler } from "../../src/index.js";

/** What came of a request. */
export interface Outcome {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** As Express hands it to a handler, as far as handlers look. */
export function fakeRequest(
  authorization: string | undefined,
  params: Readonly<Record<string, string>>,
): IncomingMessage {
  const request = {
    method: "GET",
    headers: authorization === undefined ? {} : { authorization },
    rawHeaders: authorization === undefined ? [] : ["Authorization", authorization],
    params,
    query: {},
    route: { path: "/locals/:localId" },
  };
  return request as unknown as IncomingMessage;
}

/** Runs the handlers as Express would; calls back once, with what they made of the request. */
export function serve(chain: readonly Handler[], request: IncomingMessage, done: (outcome: Outcome) => void): void {
  let head: Pick<Outcome, "status" | "headers"> = { status: 0, headers: {} };
  const response = {
    headersSent: false,
    writeHead(status: number, headers: Outcome["headers"]) {
      response.headersSent = true;
      head = { status, headers };
      return response;
    },
    end(body: string) {
      done({ ...head, body });
    },
  };
  const run = (index: number) => (error?: unknown) => {
    const handler = chain[index];
    if (error !== undefined) return done({ status: 500, headers: {}, body: String(error) });
    if (!handler) return done({ status: 200, headers: {}, body: "" });
    try {
      handler(request, response as unknown as ServerResponse, run(index + 1));
    } catch (thrown) {
      done({ status: 500, headers: {}, body: String(thrown) });
    }
  };
  run(0)();
}
