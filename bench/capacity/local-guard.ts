import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { createAuthClient, requireAuth, requireLocal } from "portero";
import { inMemoryService } from "../kit/in-memory-service.js";
import { nanosOf } from "../kit/micro.js";
import { distinctToken, localsOf } from "../kit/tokens.js";

/** Requests about one local each, in turn. */
const REQUESTS = 1000;

export interface MeasuredGuard {
  nanos(): Promise<number>;
  /** Of a look into a `Set` of the same locals, for the same requests. */
  bareNanos(): Promise<number>;
  /** Requests that were let in wrongly, or not let in. */
  wrong(): number;
}

/** `requireLocal()` behind `requireAuth()`, for a user with so many locals. */
export async function measureGuard(locals: number, run: { quick: boolean }): Promise<MeasuredGuard> {
  await using client = createAuthClient({
    grpc: { transport: inMemoryService({ locals }) },
    logger: false,
  });
  const token = distinctToken(0);
  await client.verifyToken(token);
  const authenticate = requireAuth({ client });
  const guard = requireLocal("localId");
  const mine = localsOf(0, locals);
  const requests = Array.from({ length: REQUESTS }, (_, index) => {
    const request = requestAbout(mine[Math.floor((index * locals) / REQUESTS)]!, token);
    authenticate(request, new ServerResponse(request), () => undefined);
    return request;
  });
  const response = new ServerResponse(requests[0]!);
  let at = 0;
  let asked = 0;
  let passed = 0;
  const next = () => {
    passed++;
  };
  const ask = () => {
    asked++;
    guard(requests[at++ % REQUESTS]!, response, next);
  };
  const set = new Set(mine);
  const look = () => {
    if (!set.has(requests[at++ % REQUESTS]!.params.localId)) throw new Error("the set lacks a local");
  };
  const stranger = requestAbout("nobody's", token);
  authenticate(stranger, response, () => undefined);
  const refused = new ServerResponse(stranger);
  let letIn = 0;
  guard(stranger, refused, () => {
    letIn++;
  });
  if (refused.statusCode !== 403) letIn++;
  return { nanos: () => nanosOf(ask, run), bareNanos: () => nanosOf(look, run), wrong: () => asked - passed + letIn };
}

/** As Express leaves it to a route's handlers: the parameter is a string of its own, cut out of the path. */
function requestAbout(local: string, token: string) {
  const request = new IncomingMessage(new Socket());
  request.headers.authorization = `Bearer ${token}`;
  request.rawHeaders = ["Authorization", `Bearer ${token}`];
  return Object.assign(request, { params: { localId: Buffer.from(local).toString() } });
}
