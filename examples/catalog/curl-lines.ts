import type { DevAuthService } from "./auth-service.js";

/** A line for the shell, and what it should answer. */
export interface CurlLine {
  readonly status: number;
  readonly says: string;
  readonly line: string;
}

export interface Chapter {
  readonly title: string;
  readonly lines: readonly CurlLine[];
}

/** What there is to try. In this order every line answers what it says. */
export async function createCurlLines(
  auth: DevAuthService,
  { catalog, control, recoverySeconds }: { catalog: string; control: string; recoverySeconds: number },
): Promise<readonly Chapter[]> {
  const [ana, luis, marta, expired] = await Promise.all([
    auth.signToken("ana"),
    auth.signToken("luis"),
    auth.signToken("marta"),
    auth.signToken("ana", -60),
  ]);
  const bearer = (token: string) => `-H "Authorization: Bearer ${token}"`;
  const get = (path: string, token?: string) =>
    `curl -i ${catalog}${path}${token === undefined ? "" : ` ${bearer(token)}`}`;
  const add = (path: string, token: string) =>
    `curl -i ${catalog}${path} -d '{"name":"Empanada","priceCents":350}' -H "Content-Type: application/json" ${bearer(token)}`;
  const turn = (action: string) => `curl -i -X POST ${control}/${action}`;
  const madrid = "/locals/madrid/products";
  const newToken = `$(curl -s ${control}/token/ana)`;

  return [
    {
      title: "Permissions, locals and modules",
      lines: [
        { status: 200, says: "no token needed", line: get("/products") },
        { status: 200, says: "Ana's own local; again: X-Auth-Source is then process", line: get(madrid, ana) },
        { status: 403, says: "not Ana's local", line: get("/locals/bilbao/products", ana) },
        { status: 201, says: "Ana adds a product", line: add(madrid, ana) },
        { status: 403, says: "Luis may only read", line: add(madrid, luis) },
        { status: 200, says: "Ana's organization has the module", line: get("/locals/madrid/inventory", ana) },
        { status: 403, says: "Marta's has not", line: get("/locals/bilbao/inventory", marta) },
        { status: 401, says: "no token", line: get(madrid) },
        { status: 401, says: "garbage", line: get(madrid, "garbage") },
        { status: 401, says: "a token of Ana's that has expired", line: get(madrid, expired) },
      ],
    },
    {
      title: "When the auth service is not there ($(…) fetches a new token, which no cache knows)",
      lines: [
        { status: 200, says: "stop gRPC", line: turn("stop/grpc") },
        { status: 200, says: "REST answers: X-Auth-Source is rest", line: get(madrid, newToken) },
        { status: 200, says: "stop REST too", line: turn("stop/rest") },
        { status: 503, says: "cannot be verified now: see Retry-After", line: get(madrid, newToken) },
        { status: 200, says: "Ana's first token is still known", line: get(madrid, ana) },
        { status: 200, says: "breakers, cache, counters", line: get("/health") },
        { status: 200, says: "start gRPC", line: turn("start/grpc") },
        { status: 200, says: "start REST", line: turn("start/rest") },
        {
          status: 200,
          says: `answered again (where a breaker had opened: ${recoverySeconds} seconds later)`,
          line: get(madrid, newToken),
        },
      ],
    },
  ];
}
