// Both are loaded when they are first needed. Jest cannot do that for two of them at once: they have packages in common.
import "@keyv/redis";
import "got";
import * as http from "node:http";
import express from "express";
import {
  type AuthClient,
  type AuthClientEvents,
  type AuthClientOptions,
  type AuthError,
  createAuthClient,
} from "../../src/client.js";
import { getAuth, requireAuth } from "../../src/index.js";
import { listen } from "../support/listen.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { BAD_TOKEN, idOf, tokenOf } from "./people.js";

/** Short, so that an outage and its end fit into a test; of an upstream that is well, nothing takes nearly as long. */
export const GRPC_MS = 250;
export const REST_MS = 600;
export const RECOVERY_MS = 200;
/** "Nothing hangs": a request may take its deadline, and as much more as a busy machine may need. */
export const MARGIN_MS = 4000;
/** Most requests take no more than this beyond their deadline, for all the machine has to do: asking both upstreams once more would. */
export const USUAL_MARGIN_MS = 500;

/** What one caller of a protected route got. */
export interface Answer {
  /** Of somebody new, of somebody whom the process remembers, or of nobody. */
  readonly token: "new" | "known" | "bad";
  readonly status: number;
  /** Who answered, with 200. */
  readonly source: string | undefined;
  /** Of the problem, with anything else. */
  readonly code: string | undefined;
  readonly retryAfter: string | undefined;
  readonly tookMs: number;
}

/** Those who knock at a real Express app behind `requireAuth`. An answer that no fault excuses is an error, wherever it comes up. */
export interface Caller {
  readonly client: AuthClient;
  /** In which everything that one request asks must have ended. */
  readonly deadlineMs: number;
  /** Transitions of the breakers, in order. */
  readonly transitions: readonly AuthClientEvents["breaker"][];
  readonly logLines: readonly string[];
  /** With the token of somebody whom nobody asked about before, unless it is said who: the right user, or an outage. */
  ask(person?: number): Promise<Answer>;
  /** With the token of somebody whom the process remembers: the right user, whatever is out of order, and not asked for unless Redis forgot. */
  askAgain(person: number): Promise<Answer>;
  /** With a token that belongs to nobody: refused, or an outage. */
  askBadly(): Promise<Answer>;
  close(): Promise<void>;
}

let nextPerson = 0;

/** Somebody whom no test of this process asked about yet. */
export function somebodyNew(): number {
  return nextPerson++;
}

export async function openCaller({ grpc, rest, cache, ...options }: AuthClientOptions): Promise<Caller> {
  const grpcMs = grpc?.timeoutMs ?? GRPC_MS;
  const restMs = rest?.timeoutMs ?? REST_MS;
  const deadlineMs = (grpc ? grpcMs : 0) + (rest ? restMs : 0);
  const logLines: string[] = [];
  const log = (line: string) => void logLines.push(line);
  const client = createAuthClient({
    ...(grpc && { grpc: { ...ONE_CONNECTION, ...grpc, timeoutMs: grpcMs } }),
    ...(rest && { rest: { ...rest, timeoutMs: restMs } }),
    breaker: { recoveryMs: RECOVERY_MS },
    cache: { refusalTtlMs: 0, ...cache },
    logger: { info: log, warn: log, error: log },
    ...options,
  });
  const transitions: AuthClientEvents["breaker"][] = [];
  client.on("breaker", (transition) => transitions.push(transition));
  const app = express();
  app.use(requireAuth({ client }));
  app.get("/", (req, res) => void res.json({ id: getAuth(req).user.id, source: getAuth(req).source }));
  const server = http.createServer(app);
  const port = await listen(server);

  const knock = async (token: string) => {
    const answer = await get(port, token);
    if (answer.tookMs > deadlineMs + MARGIN_MS) throw new Error(`it hung for ${answer.tookMs} ms`);
    return answer;
  };
  return {
    client,
    deadlineMs,
    transitions,
    logLines,
    async ask(person = somebodyNew()) {
      const { id, ...answer } = await knock(tokenOf(person));
      if (!(answer.status === 200 && id === idOf(person)) && !isOutage(answer)) throw notAllowed(answer, id);
      return { token: "new", ...answer };
    },
    async askAgain(person) {
      const { id, ...answer } = await knock(tokenOf(person));
      // A Redis that lost what it was told makes the process look everything up again.
      const mayBeAsked = answer.status === 200 && client.status().cache.gaps > 0;
      if (!(id === idOf(person) && (answer.source === "process" || mayBeAsked))) throw notAllowed(answer, id);
      return { token: "known", ...answer };
    },
    async askBadly() {
      const { id, ...answer } = await knock(BAD_TOKEN);
      if (!(answer.status === 401 && answer.code === "invalid_token") && !isOutage(answer))
        throw notAllowed(answer, id);
      return { token: "bad", ...answer };
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await Promise.all([closed, client.close()]);
    },
  };
}

/** Asks without a detour over the app, where requests come one after the other. */
export async function askAtOnce({ client }: Caller): Promise<Answer> {
  const start = performance.now();
  const person = somebodyNew();
  const got = await client.verifyToken(tokenOf(person)).then(
    ({ user, source }) => ({ status: user.id === idOf(person) ? 200 : Number.NaN, source, code: undefined }),
    (error: AuthError) => ({ status: error.status, source: undefined, code: error.code }),
  );
  return { token: "new", ...got, retryAfter: undefined, tookMs: performance.now() - start };
}

type Got = Omit<Answer, "token">;

function isOutage({ status, code, retryAfter }: Got): boolean {
  return status === 503 && code === "auth_unavailable" && Number(retryAfter) >= 1;
}

function notAllowed(answer: Got, id: string | undefined): Error {
  return new Error(`no caller may get this: ${JSON.stringify({ ...answer, id })}`);
}

function get(port: number, token: string): Promise<Got & { id: string | undefined }> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const request = http.get({ port, host: "127.0.0.1", headers: { authorization: `Bearer ${token}` }, agent: false });
    request.once("error", reject);
    request.once("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("end", () => {
        const { id, source, code } = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, string | undefined>;
        const retryAfter = response.headers["retry-after"];
        resolve({ status: response.statusCode ?? 0, id, source, code, retryAfter, tookMs: performance.now() - start });
      });
    });
  });
}
