import { cookieToken, requireAuth, requirePermission } from "../../src/index.js";
import { stubAuthClient } from "../../src/testing.js";
import { selfSigned } from "../support/self-signed.js";
import { type Mistake, messageOf, ofEnvironment, ofOptions } from "./mistake.js";

const GRPC = { AUTH_GRPC_URL: "http://127.0.0.1:50051" };
const REDIS = { ...GRPC, REDIS_URL: "redis://127.0.0.1:1" };
const url = GRPC.AUTH_GRPC_URL;
const own = selfSigned();

/** Of the environment and of options: said when the client is made. */
export const settingRows: readonly Mistake[] = [
  { is: "no options", make: ofOptions({}), says: ["at least one upstream (AUTH_GRPC_URL or AUTH_REST_URL)"] },
  {
    is: "a misspelt option",
    make: ofOptions({ grpc: { url, timeoutMS: 1000 } }),
    says: ["grpc.timeoutMS: there is no such option; did you mean grpc.timeoutMs?"],
  },
  { is: "grpc://", make: ofEnvironment({ AUTH_GRPC_URL: "grpc://auth:50051" }), says: ["write http://auth:50051"] },
  {
    is: "a target of gRPC's own, dns:///",
    make: ofEnvironment({ AUTH_GRPC_URL: "dns:///auth:50051" }),
    says: ["AUTH_GRPC_URL: expected a URL", "http://auth:50051"],
  },
  {
    is: "a URL without a scheme",
    make: ofEnvironment({ AUTH_GRPC_URL: "auth:50051" }),
    says: ["write http://auth:50051"],
  },
  {
    is: "a REST URL without a scheme",
    make: ofEnvironment({ AUTH_REST_URL: "auth:8001" }),
    says: ["AUTH_REST_URL: expected a URL that begins with http:// or https://: write http://auth:8001"],
  },
  {
    is: "a URL in the variable of a host",
    make: ofEnvironment({ AUTH_GRPC_HOST: "http://auth:50051" }),
    says: ["a host name or an IP address alone: a port goes into AUTH_GRPC_PORT, a URL into AUTH_GRPC_URL"],
  },
  {
    is: "the port that Kubernetes puts into the environment",
    make: ofEnvironment({ AUTH_GRPC_HOST: "auth", AUTH_GRPC_PORT: "tcp://10.0.0.1:50051" }),
    says: ["AUTH_GRPC_PORT: expected a port from 1 to 65535"],
  },
  {
    is: "a REST URL with the path of a question",
    make: ofEnvironment({ AUTH_REST_URL: "https://auth.internal/api/auth/verify" }),
    says: [
      "AUTH_REST_URL: expected the base URL alone, to which /auth/verify is appended: write https://auth.internal/api",
    ],
  },
  {
    is: "a REST URL with the path of a look-up",
    make: ofEnvironment({ AUTH_REST_URL: "http://auth:8001/users/{userId}/locals" }),
    says: [
      "AUTH_REST_URL: expected the base URL alone, to which /api/v1/users/{user_id}/locals is appended",
      "write http://auth:8001; where that is another path, with rest.paths.userLocals",
    ],
  },
  {
    is: "a gRPC URL with the path of a question",
    make: ofEnvironment({ AUTH_GRPC_URL: "http://auth:50051/auth.AuthService/VerifyToken" }),
    says: ["AUTH_GRPC_URL: expected the base URL alone", "write http://auth:50051,"],
  },
  {
    is: "a REST URL with a query",
    make: ofEnvironment({ AUTH_REST_URL: "http://auth:8001?api_key=hunter2" }),
    says: ["AUTH_REST_URL: expected a URL without a query"],
  },
  {
    is: "a secret that is too short",
    make: ofEnvironment({ ...REDIS, AUTH_CACHE_SECRET: "hunter2" }),
    says: ["AUTH_CACHE_SECRET: expected at least 32 bytes, got 7"],
  },
  {
    is: "a blank secret",
    make: ofEnvironment({ ...REDIS, AUTH_CACHE_SECRET: "  " }),
    says: ["AUTH_CACHE_SECRET: expected a secret of at least 32 bytes, or no such variable"],
  },
  {
    is: "a secret of one letter",
    make: ofEnvironment({ ...REDIS, AUTH_CACHE_SECRET: "x".repeat(40) }),
    says: ["AUTH_CACHE_SECRET: expected at least 8 different bytes, got 1"],
  },
  {
    is: "a Redis without a scheme",
    make: ofEnvironment({ ...GRPC, REDIS_URL: "cache:6379" }),
    says: ["REDIS_URL: expected a URL that begins with redis://", "write redis://cache:6379"],
  },
  {
    is: "a # in the password of Redis",
    make: ofEnvironment({ ...GRPC, REDIS_URL: "redis://:pass#word@cache:6379" }),
    says: ["with user and password encoded: # as %23"],
  },
  {
    is: "a store without delete",
    make: ofOptions({ grpc: { url }, cache: { store: { get: () => undefined, set: () => undefined } } }),
    says: ["cache.store: expected a Keyv, or anything with its get, set and delete: delete is missing"],
  },
  {
    is: "a custom transport beside a shared cache, without a namespace",
    make: ofOptions({
      grpc: { transport: { unary: () => undefined, stream: () => undefined } },
      cache: { redisUrl: REDIS.REDIS_URL },
    }),
    says: ["cache.namespace: expected a name for this auth service (AUTH_CACHE_NAMESPACE): grpc.transport can change"],
  },
  {
    is: "a certificate without its key",
    make: ofOptions({ grpc: { url: "https://auth:50051", tls: { cert: own.cert } } }),
    says: ["grpc.tls: expected cert and key together: key is missing"],
  },
  {
    is: "certificates for a URL without TLS",
    make: ofOptions({ grpc: { url, tls: { ca: own.cert } } }),
    says: ["grpc.tls: expected no tls, or an https: URL in grpc.url"],
  },
  {
    is: "a path where a certificate belongs",
    make: ofOptions({ grpc: { url: "https://auth:50051", tls: { ca: "/etc/ssl/ca.pem" } } }),
    says: ["grpc.tls.ca: expected certificates in PEM"],
  },
  {
    is: "a credential whose variable is not set",
    make: ofOptions({ grpc: { url }, headers: { authorization: undefined } }),
    says: ["headers.authorization: expected a value that is not empty"],
  },
  {
    is: "a credential whose variable is not set, behind its scheme",
    make: ofOptions({ grpc: { url }, headers: { authorization: `Bearer ${undefined}` } }),
    says: [
      'headers.authorization: expected a value that is not empty, got "undefined" behind its scheme: its variable',
    ],
  },
  {
    is: "requireAuth called with the client",
    make: () => messageOf(() => requireAuth(stubAuthClient() as never)),
    says: ["pass { client }: what was given is the client itself"],
  },
  {
    is: "requireAuth without an environment",
    make: () => messageOf(() => requireAuth({ client: undefined as never })),
    says: ["AUTH_GRPC_URL or AUTH_REST_URL: expected the URL of the auth service"],
  },
  {
    is: "a guard with an array",
    make: () => messageOf(() => requirePermission(["products:read"] as never)),
    says: ["spread it: requirePermission(...names)"],
  },
  {
    is: "a guard with nothing",
    make: () => messageOf(() => requirePermission()),
    says: ["requirePermission: expected one or more names, got nothing"],
  },
  {
    is: "a cookie name with a space",
    make: () => messageOf(() => cookieToken("my session")),
    says: [
      'cookieToken(name): expected the name of a cookie, without spaces and signs such as = and ;, got "my session"',
    ],
  },
  {
    is: "a stub's user with misspelt permissions",
    make: () => messageOf(() => stubAuthClient({ users: { "token-1": { id: "u", permisions: ["a"] } as never } })),
    says: ["permisions: there is no such option; did you mean users.token-1.permissions?"],
  },
];
