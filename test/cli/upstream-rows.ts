import * as http from "node:http";
import * as http2 from "node:http2";
import * as https from "node:https";
import * as net from "node:net";
import { afterwards } from "../support/open-client.js";
import { closedPort, startRawRest, startTcpGate } from "../support/raw-upstreams.js";
import { selfSigned } from "../support/self-signed.js";
import { unsignedJwt } from "../support/unsigned-jwt.js";
import { type Broken, portIn, portOf, startPair, TOKEN } from "./set-up.js";

const own = selfSigned();
const rest = (port: number | string, path = "") => ({ AUTH_REST_URL: `http://127.0.0.1:${port}${path}` });
const grpc = (port: number | string, scheme = "http") => ({ AUTH_GRPC_URL: `${scheme}://127.0.0.1:${port}` });
const answering = (status: number, body = "{}", headers: http.OutgoingHttpHeaders = {}) =>
  http.createServer((_request, response) => response.writeHead(status, headers).end(body));

const answeringHttp2 = (status: number, headers: http2.OutgoingHttpHeaders) =>
  http2.createServer((_request, response) => void response.writeHead(status, headers).end("<html>"));

/** The port of HTTPS that answers clear text, too, as nginx and Go do: with 400. */
async function tlsThatAnswersPlain(): Promise<number> {
  const secure = await portOf(https.createServer(own, (_request, response) => response.writeHead(401).end()));
  const plain = await portOf(answering(400, "Client sent an HTTP request to an HTTPS server."));
  const front = net.createServer((inbound) => {
    inbound.once("data", (first: Buffer) => {
      const outbound = net.connect(first[0] === 0x16 ? secure : plain, "127.0.0.1");
      for (const socket of [inbound, outbound]) socket.on("error", () => undefined);
      outbound.write(first);
      inbound.pipe(outbound).pipe(inbound);
    });
  });
  return portOf(front);
}

/** A REST side that passes on to a good one what it does not answer itself. */
async function restBefore(url: string, answer: (path: string, body: string) => unknown): Promise<string> {
  const raw = await startRawRest(async (response, { method = "GET", path = "", headers, body }) => {
    const said = answer(path, body);
    if (said !== undefined) return void response.writeHead(said === null ? 404 : 200).end(JSON.stringify(said));
    const { "x-tenant-id": tenant } = headers;
    const passed = { method, headers: { ...(tenant && { "x-tenant-id": String(tenant) }) }, ...(body && { body }) };
    const answered = await fetch(url + path, passed);
    response.writeHead(answered.status).end(await answered.text());
  });
  afterwards(() => raw.close());
  return raw.url;
}

/** The auth service is not where, or not what, the variables say. */
export const upstreamRows: readonly Broken[] = [
  {
    is: "nothing listens at the port of gRPC",
    make: async () => ({ env: grpc(await closedPort()) }),
    fails: ["grpc.connection"],
    says: [
      "cannot be connected to (ECONNREFUSED)",
      "→ nothing listens there: are host and port right, has it started?",
    ],
  },
  {
    is: "the host is misspelt",
    make: () => ({ env: { AUTH_REST_URL: "http://auht.invalid:8001" } }),
    fails: ["rest.names"],
    says: ["auht.invalid has no address", "→ no name server knows the host: is it spelt right?"],
  },
  {
    is: "the URLs of gRPC and REST are exchanged",
    make: async () => {
      const { env } = await startPair();
      return { env: { AUTH_GRPC_URL: env.AUTH_REST_URL, AUTH_REST_URL: env.AUTH_GRPC_URL } };
    },
    fails: ["grpc.verify_token", "rest.verify_token"],
    says: [
      "auth.AuthService/VerifyToken is unreachable (ERR_HTTP2_ERROR)",
      "→ no HTTP/2 there: is it the REST port?",
      "→ no HTTP/1.1 there: is it the gRPC port?",
    ],
  },
  {
    is: "https:// where there is no TLS",
    make: async () => {
      const { env } = await startPair();
      return { env: { AUTH_GRPC_URL: env.AUTH_GRPC_URL.replace("http:", "https:") } };
    },
    fails: ["grpc.tls"],
    says: [
      "refuses TLS with these settings (ERR_SSL_WRONG_VERSION_NUMBER)",
      "→ no TLS there: write http:// in AUTH_GRPC_URL",
    ],
  },
  {
    is: "http:// where there is TLS",
    make: async () => ({ env: grpc(await portOf(http2.createSecureServer(own))) }),
    fails: ["grpc.verify_token"],
    says: ["→ it ended the connection: if it wants TLS, write https:// in AUTH_GRPC_URL"],
  },
  {
    is: "a certificate of an authority of one's own",
    make: async () => ({ env: grpc(await portOf(http2.createSecureServer(own)), "https") }),
    fails: ["grpc.tls"],
    says: ["(DEPTH_ZERO_SELF_SIGNED_CERT)", "set NODE_EXTRA_CA_CERTS to the file of its CA (in code: grpc.tls.ca)"],
  },
  {
    is: "another gRPC server",
    make: async () => ({ env: grpc(await portOf(http2.createServer((_, res) => void res.writeHead(404).end()))) }),
    fails: ["grpc.verify_token"],
    says: ["VerifyToken is broken (Unimplemented)", "→ no auth.AuthService there"],
  },
  {
    is: "a prefix too many in the base of REST",
    make: async () => ({ env: rest(portIn((await startPair()).env.AUTH_REST_URL), "/api/v2") }),
    fails: ["rest.verify_token"],
    says: ["POST /auth/verify is broken (HTTP 404)", "→ it has no such path: AUTH_REST_URL is the base alone"],
  },
  {
    is: "a redirect to https://",
    make: async () => ({ env: rest(await portOf(answering(301, "", { location: "https://auth.invalid/" }))) }),
    fails: ["rest.verify_token"],
    says: ["(HTTP 301)", "→ it leads elsewhere, and a token is never sent on: write the URL that it leads to"],
  },
  {
    is: "a web page",
    make: async () => ({ env: rest(await portOf(answering(200, "<html>"))) }),
    fails: ["rest.verify_token"],
    says: ["broken (not JSON)", "→ is AUTH_REST_URL the auth service's, and rest.paths as it has them?"],
  },
  ...[400, 422].map((status) => ({
    is: `a server that refuses everything with ${status}`,
    make: async () => ({ env: rest(await portOf(answering(status, "The plain HTTP request was sent to HTTPS port"))) }),
    fails: ["rest.verify_token"],
    says: [
      `it refuses all that it is asked as what it cannot read (HTTP ${status}), which any server may`,
      "→ if it wants TLS, write https:// in AUTH_REST_URL; is it the auth service's",
    ],
    code: 0,
  })),
  {
    is: "a server that refuses everything with 400, a token too",
    make: async () => ({ env: rest(await portOf(answering(400))), token: TOKEN }),
    fails: ["rest.verify_token", "answers.token"],
    says: [
      "→ is the token good? If it is: if it wants TLS, write https:// in AUTH_REST_URL",
      "the token is refused by REST (HTTP 400)",
    ],
  },
  {
    is: "http:// at a port of HTTPS that tells so",
    make: async () => ({ env: rest(await tlsThatAnswersPlain()) }),
    fails: ["rest.verify_token"],
    says: [
      "POST /auth/verify is refused as every question is (HTTP 400)",
      "→ it takes TLS: write https:// in AUTH_REST_URL",
    ],
  },
  ...(
    [
      ["a web page over HTTP/2", 200, { "content-type": "text/html" }, "HTTP 200, text/html"],
      [
        "an answer of a type of its own over HTTP/2",
        200,
        { "content-type": "x/hunter2" },
        "HTTP 200, another content type",
      ],
      ["a redirect over HTTP/2", 301, { location: "https://auth.invalid/" }, "HTTP 301"],
      ["a refusal of the type over HTTP/2", 415, {}, "HTTP 415"],
      ["a load balancer without gRPC", 464, {}, "HTTP 464"],
      ["a bad request over HTTP/2", 400, {}, "HTTP 400"],
    ] as const
  ).map(([is, status, headers, says]) => ({
    is,
    make: async () => ({ env: grpc(await portOf(answeringHttp2(status, headers))) }),
    fails: ["grpc.verify_token"],
    says: [`auth.AuthService/VerifyToken: no gRPC there (${says})`, "→ is it the web or REST address?"],
  })),
  ...[204, 410, 426].map((status) => ({
    is: `REST that answers with ${status}`,
    make: async () => ({ env: rest(await portOf(answering(status, ""))) }),
    fails: ["rest.verify_token"],
    says: [`broken (HTTP ${status})`, "→ no answer of the contract: is AUTH_REST_URL the auth service's?"],
  })),
  ...(
    [
      ["FailedPrecondition", 9],
      ["Canceled", 1],
    ] as const
  ).map(([name, code]) => ({
    is: `gRPC that answers ${name}`,
    make: async () => {
      const { service, env } = await startPair();
      service.grpc.fail(code);
      return { env: { AUTH_GRPC_URL: env.AUTH_GRPC_URL } };
    },
    fails: ["grpc.verify_token"],
    says: [`(${name})`, "→ no code of the contract: look at the log of the auth service, and of a proxy before it"],
  })),
  {
    is: "a web server among several URLs of gRPC",
    make: async () => {
      const { env } = await startPair();
      const web = await portOf(answeringHttp2(200, { "content-type": "text/html" }));
      return { env: { AUTH_GRPC_URL: `http://127.0.0.1:${web},${env.AUTH_GRPC_URL}` }, token: TOKEN };
    },
    fails: ["grpc.verify_token"],
    says: [
      "auth.AuthService/VerifyToken: no gRPC there (HTTP 200, text/html)",
      "✓ auth.AuthService/GetUserLocals answers",
      "✓ the token is good",
    ],
  },
  {
    is: "an auth service of another environment among several URLs of gRPC",
    make: async () => {
      const [{ env }, other] = [await startPair(), await startPair()];
      other.service.refuse(TOKEN);
      return { env: { AUTH_GRPC_URL: `${other.env.AUTH_GRPC_URL},${env.AUTH_GRPC_URL}` }, token: TOKEN };
    },
    fails: ["grpc.verify_token"],
    says: ["refuses the token, which others let in (Unauthenticated)", "→ is it the same auth service?"],
  },
  {
    is: "something that accepts and says nothing",
    make: async () => {
      const gate = await startTcpGate();
      afterwards(() => gate.close());
      return { env: { ...grpc(gate.port), AUTH_GRPC_TIMEOUT: "0.04" } };
    },
    fails: ["grpc.verify_token"],
    says: [
      "auth.AuthService/VerifyToken is unreachable",
      "→ it says nothing: does a firewall swallow it, or is AUTH_GRPC_TIMEOUT (in seconds) too short?",
    ],
  },
  {
    is: "a service that lets anything in",
    make: async () => ({ env: rest(await portOf(answering(200, '{"user_id":"root","is_active":true}'))) }),
    fails: ["rest.verify_token"],
    says: ['takes "portero-ready" for a token, which none has issued', "→ look at how it verifies"],
  },
  {
    is: "a service that hangs on REST alone, with a token",
    make: async () => {
      const { service, env } = await startPair();
      service.rest.hang();
      return { env: { ...env, AUTH_REST_TIMEOUT: "0.04" }, token: TOKEN };
    },
    fails: ["rest.verify_token"],
    says: ["POST /auth/verify is unreachable (timeout)", "✓ auth.AuthService/GetUserLocals answers"],
  },
  {
    is: "a path of REST that only a user's look-up can find to be wrong",
    make: async () => {
      const { env } = await startPair();
      const url = await restBefore(env.AUTH_REST_URL, (path) => (path.endsWith("/locals") ? null : undefined));
      return { env: { ...env, AUTH_REST_URL: url }, token: TOKEN };
    },
    fails: ["rest.user_locals", "answers.user_locals"],
    says: [
      "GET /api/v1/users/{user_id}/locals does not know the user of the token (HTTP 404)",
      "→ it has no such path",
      "gRPC has an answer, REST refuses (HTTP 404)",
    ],
  },
  {
    is: "REST that says something else, in all four operations",
    make: async () => {
      const { env } = await startPair();
      const url = await restBefore(env.AUTH_REST_URL, (path) => {
        if (path.endsWith("/permissions")) return { permissions: ["products:read", "audit:read"] };
        if (path.endsWith("/locals")) return { locals: [{ id: "madrid" }] };
        if (path.includes("/organizations/")) {
          return { id: "org-1", name: "org-1", plan: "gold", is_active: true, modules: [] };
        }
        return undefined;
      });
      const differing = await restBefore(url, (_path, body) =>
        body.includes(TOKEN)
          ? {
              user_id: "ana",
              organization_id: "org-1",
              email: "ana@example.com",
              is_active: true,
              permissions: ["products:read"],
              locals: [],
            }
          : undefined,
      );
      return { env: { ...env, AUTH_REST_URL: differing }, token: TOKEN };
    },
    fails: [
      ...["answers.verify_token", "answers.verify_token", "answers.verify_token"],
      ...["answers.user_permissions", "answers.user_permissions"],
      "answers.user_locals",
      ...["answers.organization", "answers.organization"],
    ],
    says: [
      "gRPC says ana may products:write, REST does not",
      "gRPC says ana may act on sevilla, REST does not",
      "REST says ana may audit:read, gRPC does not",
      "gRPC says that org-1 has the plan free, REST that it is gold",
      "gRPC says org-1 has the module inventory, REST does not",
      "→ callers get the one or the other, as the sides are up: let both read the same source",
    ],
  },
  {
    is: "a token that one side alone knows",
    make: async () => {
      const [{ env }, other] = [await startPair(), await startPair()];
      other.service.refuse(TOKEN);
      return { env: { ...env, AUTH_REST_URL: other.env.AUTH_REST_URL }, token: TOKEN };
    },
    fails: [
      "rest.user_permissions",
      "rest.user_locals",
      "answers.verify_token",
      "answers.user_permissions",
      "answers.user_locals",
    ],
    says: ["gRPC lets the token in, REST refuses it (HTTP 401)"],
  },
  {
    is: "a token that has ended",
    make: async () => ({ ...(await startPair()), token: unsignedJwt({ sub: "ana", exp: 1_700_000_000 }) }),
    fails: ["answers.token"],
    says: [
      "the token is refused by gRPC (Unauthenticated) and REST (HTTP 401)",
      "→ it ended 2023-11-14T22:13:20.000Z: take a new one",
    ],
  },
  {
    is: "a token of another environment",
    make: async () => ({ ...(await startPair()), token: "token-of-staging-0007" }),
    fails: ["answers.token"],
    says: ["→ is it one of this auth service, and of this environment?"],
  },
  {
    is: 'a token with "Bearer " before it',
    make: async () => ({ ...(await startPair()), token: `Bearer ${TOKEN}` }),
    fails: ["answers.token"],
    says: ["what was given is no token", '→ leave out "Bearer " before it'],
  },
  {
    is: "a user that is not active",
    make: async () => {
      const { service, env } = await startPair();
      service.allow(TOKEN, { id: "ana", isActive: false });
      return { env, token: TOKEN };
    },
    fails: ["answers.token"],
    says: ["the token's user is not active"],
  },
];

/** The variables themselves: nothing is asked. */
export const settingRows: readonly Broken[] = [
  {
    is: "no variables",
    make: () => ({ env: {} }),
    fails: ["settings.problem"],
    says: ["AUTH_GRPC_URL or AUTH_REST_URL is nothing", "→ the URL of the auth service, as http://auth:50051 (gRPC)"],
    code: 2,
  },
  {
    is: "a URL in quotes",
    make: () => ({ env: { AUTH_GRPC_URL: '"http://auth:50051"' } }),
    fails: ["settings.problem"],
    says: ["→ a URL that begins with http:// or https://: write http://auth:50051, without the quotes"],
    code: 2,
  },
  {
    is: "a port that is none, and one with a sign behind it",
    make: () => ({ env: { AUTH_GRPC_URL: "http://127.0.0.1:99999", AUTH_REST_URL: "http://auth:8001;" } }),
    fails: ["settings.problem", "settings.problem"],
    says: ["write a port from 1 to 65535", "write nothing behind the port but a path"],
    code: 2,
  },
  {
    is: "a misspelt variable",
    make: () => ({ env: { AUTH_GPRC_URL: "http://auth:50051" } }),
    fails: ["settings.problem"],
    says: ["AUTH_GPRC_URL: there is no such variable", "→ did you mean AUTH_GRPC_URL?"],
    code: 2,
  },
  {
    is: "several settings at once, one of them a secret",
    make: () => ({
      env: { AUTH_GRPC_URL: "grpc://auth:50051", REDIS_URL: "redis://:pass#word@cache", AUTH_CACHE_SECRET: "hunter2" },
    }),
    fails: ["settings.problem", "settings.problem", "settings.problem"],
    says: [
      "write http://auth:50051",
      "REDIS_URL is",
      "→ at least 32 bytes",
      "3 settings to mend before anything can be asked",
    ],
    code: 2,
  },
];
