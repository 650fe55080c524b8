import * as http from "node:http";
import { listen } from "../support/listen.js";
import { everybody } from "./people.js";

/** What the REST side does in the place of its answer. */
export type RestFault = (response: http.ServerResponse, answer: string) => void;

/** The REST side of the auth service, which a test can make do anything. It knows everybody. */
export interface RestFront {
  readonly url: string;
  /** Requests that reached it. */
  readonly requests: number;
  strike(fault: RestFault): void;
  heal(): void;
  /** Ends it at once, as a crash does. */
  stop(): Promise<void>;
  /** Starts it again, at the same address. */
  start(): Promise<void>;
  close(): Promise<void>;
}

export async function startRestFront(): Promise<RestFront> {
  const users = everybody();
  let requests = 0;
  let fault: RestFault | undefined;
  let server = createServer();
  const port = await listen(server);

  function createServer(): http.Server {
    return http.createServer((request, response) => {
      const chunks: Buffer[] = [];
      response.on("error", () => undefined);
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.once("end", () => {
        requests++;
        const { token } = JSON.parse(Buffer.concat(chunks).toString()) as { token: string };
        const user = users[token];
        const body = JSON.stringify(user ? { user_id: user.id, is_active: true } : { detail: "nobody's" });
        if (fault) fault(response, body);
        else response.writeHead(user ? 200 : 401, { "Content-Type": "application/json" }).end(body);
      });
    });
  }

  const front: RestFront = {
    url: `http://127.0.0.1:${port}`,
    get requests() {
      return requests;
    },
    strike(next) {
      fault = next;
    },
    heal() {
      fault = undefined;
    },
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
    async start() {
      server = createServer();
      await listen(server, port);
    },
    close: () => front.stop(),
  };
  return front;
}
