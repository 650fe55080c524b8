import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as https from "node:https";
import type { Server } from "node:net";
import { listen } from "../support/listen.js";
import { afterwards, startService } from "../support/open-client.js";
import { selfSigned } from "../support/self-signed.js";
import { logOf, type Mistake } from "./mistake.js";

const own = selfSigned();
const expired = selfSigned({ until: "20210101000000Z" });
const other = {
  cert: readFileSync(new URL("../tls/certificates/server.pem", import.meta.url), "utf8"),
  key: readFileSync(new URL("../tls/certificates/server.key", import.meta.url), "utf8"),
  ca: readFileSync(new URL("../tls/certificates/ca.pem", import.meta.url), "utf8"),
};

/** The port of a server that ends with the test. */
async function portOf(server: Server): Promise<number> {
  const port = await listen(server);
  afterwards(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  return port;
}

/** The port of a side of the fake auth service. */
async function portOfSide(side: "grpc" | "rest"): Promise<string> {
  const service = await startService({ users: { "token-ana": { id: "ana" } } });
  return new URL(service[side].url).port;
}

const grpc = (url: string, tls?: object) => logOf({ grpc: { url, ...(tls && { tls }) } });
const rest = (url: string, tls?: object) => logOf({ rest: { url, ...(tls && { tls }) } });
const answering = (status: number, body = "{}", headers: http.OutgoingHttpHeaders = {}) =>
  http.createServer((_request, response) => response.writeHead(status, headers).end(body));

/** Of the URLs: what listens there is not what was meant. */
export const upstreamRows: readonly Mistake[] = [
  {
    is: "nothing listens at the port of gRPC",
    make: () => grpc("http://127.0.0.1:1"),
    says: [
      "grpc has not answered VerifyToken so far: http://127.0.0.1:1/ is unreachable (ECONNREFUSED)",
      "at auth.AuthService/VerifyToken: nothing listens there: are host and port right",
    ],
  },
  {
    is: "nothing listens at the port of REST",
    make: () => rest("http://127.0.0.1:1"),
    says: ["unreachable (ECONNREFUSED) at POST /auth/verify: nothing listens there"],
  },
  {
    is: "the host is misspelt",
    make: () => grpc("http://auht.invalid:50051"),
    says: ["no name server knows the host: is it spelt right?"],
  },
  {
    is: "the URL of gRPC has the port of REST",
    make: async () => grpc(`http://127.0.0.1:${await portOfSide("rest")}`),
    says: ["(ERR_HTTP2_ERROR)", "no HTTP/2 there: is it the REST port?"],
  },
  {
    is: "the URL of REST has the port of gRPC",
    make: async () => rest(`http://127.0.0.1:${await portOfSide("grpc")}`),
    says: ["(HPE_INVALID_CONSTANT)", "no HTTP/1.1 there: is it the gRPC port?"],
  },
  {
    is: "the URL of gRPC has the port of REST, over TLS",
    make: async () =>
      grpc(`https://127.0.0.1:${await portOf(https.createServer(own, (_, res) => res.end()))}`, { ca: own.cert }),
    says: ["NO_APPLICATION_PROTOCOL", "no HTTP/2 there: is it the REST port?"],
  },
  {
    is: "the URL of REST has the port of gRPC, over TLS",
    make: async () => rest(`https://127.0.0.1:${await portOf(http2.createSecureServer(own))}`, { ca: own.cert }),
    says: ["NO_APPLICATION_PROTOCOL", "no HTTP/1.1 there: is it the gRPC port?"],
  },
  {
    is: "https:// for gRPC without TLS",
    make: async () => grpc(`https://127.0.0.1:${await portOfSide("grpc")}`),
    says: ["(ERR_SSL_WRONG_VERSION_NUMBER)", "no TLS there: write http:// in grpc.url"],
  },
  {
    is: "https:// for REST without TLS",
    make: async () => rest(`https://127.0.0.1:${await portOfSide("rest")}`),
    says: ["(ERR_SSL_WRONG_VERSION_NUMBER)", "no TLS there: write http:// in rest.url"],
  },
  {
    is: "http:// for gRPC with TLS",
    make: async () => grpc(`http://127.0.0.1:${await portOf(http2.createSecureServer(own))}`),
    says: ["it ended the connection: if it wants TLS, write https:// in grpc.url"],
  },
  {
    is: "http:// for REST with TLS",
    make: async () => rest(`http://127.0.0.1:${await portOf(https.createServer(own))}`),
    says: ["it ended the connection: if it wants TLS, write https:// in rest.url"],
  },
  {
    is: "no CA for a certificate of one's own",
    make: async () => grpc(`https://127.0.0.1:${await portOf(http2.createSecureServer(own))}`),
    says: ["(DEPTH_ZERO_SELF_SIGNED_CERT)", "give its CA in grpc.tls.ca"],
  },
  {
    is: "the CA of another environment",
    make: async () => rest(`https://127.0.0.1:${await portOf(https.createServer(other))}`, { ca: own.cert }),
    says: ["(SELF_SIGNED_CERT_IN_CHAIN)", "give its CA in rest.tls.ca"],
  },
  {
    is: "a CA that has expired",
    make: async () =>
      grpc(`https://127.0.0.1:${await portOf(http2.createSecureServer(expired))}`, { ca: expired.cert }),
    says: ["(CERT_HAS_EXPIRED)", "its certificate, or the CA behind it, has expired"],
  },
  {
    is: "a host that the certificate does not name",
    make: async () => rest(`https://localhost:${await portOf(https.createServer(own))}`, { ca: own.cert }),
    says: ["(ERR_TLS_CERT_ALTNAME_INVALID)", "write the name that is in the certificate into the URL"],
  },
  {
    is: "no certificate for a server that wants one",
    make: async () => {
      const server = https.createServer({ ...own, ca: own.cert, requestCert: true, rejectUnauthorized: true });
      return rest(`https://127.0.0.1:${await portOf(server)}`, { ca: own.cert });
    },
    says: ["CERTIFICATE_REQUIRED", "see rest.tls.cert and rest.tls.key"],
  },
  {
    is: "another gRPC server",
    make: async () =>
      grpc(`http://127.0.0.1:${await portOf(http2.createServer((_, res) => void res.writeHead(404).end()))}`),
    says: ["broken (Unimplemented) at auth.AuthService/VerifyToken", "no auth.AuthService there"],
  },
  {
    is: "the base of REST with a prefix that it does not have",
    make: async () => rest(`http://127.0.0.1:${await portOfSide("rest")}/api/v2`),
    says: [
      "/api/v2 is broken (HTTP 404) at POST /auth/verify",
      "rest.url (AUTH_REST_URL) is the base alone, to which rest.paths are appended",
      "is there a prefix too many, or one missing?",
    ],
  },
  {
    is: "http:// where REST answers with a redirect to https://",
    make: async () =>
      rest(`http://127.0.0.1:${await portOf(answering(301, "", { location: "https://auth.invalid/auth/verify" }))}`),
    says: ["(HTTP 301)", "write the URL that it leads to"],
  },
  {
    is: "a web page where REST should be",
    make: async () => rest(`http://127.0.0.1:${await portOf(answering(200, "<html>"))}`),
    says: ["broken (not JSON) at POST /auth/verify", "is rest.url (AUTH_REST_URL) the auth service's"],
  },
  {
    is: "another API, which knows no user_id",
    make: async () => rest(`http://127.0.0.1:${await portOf(answering(200, '{"id":"ana"}'))}`),
    says: ["broken (no user_id)", "rest.paths as it has them?"],
  },
  {
    is: "a REST side that wants the token in another form",
    make: async () => {
      const port = await portOf(answering(422, '{"detail":"field required"}'));
      return logOf({ rest: { url: `http://127.0.0.1:${port}` } }, ["a1", "b2", "c3", "d4", "e5", "f6"]);
    },
    says: [
      "rest has refused each of the first 5 tokens as malformed (HTTP 422), and answered none",
      "is POST /auth/verify at http://127.0.0.1",
      'without "Bearer "?',
    ],
  },
  {
    is: "the auth service of other tokens",
    make: async () => {
      const port = await portOf(answering(401));
      return logOf({ rest: { url: `http://127.0.0.1:${port}` } }, ["a1", "b2", "c3", "d4", "e5", "f6"]);
    },
    says: [
      "rest has refused each of the first 5 tokens (HTTP 401), and answered none",
      "is http://127.0.0.1",
      " the auth service of these tokens, and",
      'does it want a credential of this service (option "headers")?',
    ],
  },
];
