import { cookieToken, optionsFromEnv, requireAuth, requirePermission } from "../../src/index.js";
import { stubAuthClient } from "../../src/testing.js";
import { openBareClient } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { selfSigned } from "../support/self-signed.js";
import { type Mistake, messageOf, ofEnvironment, ofOptions } from "./mistake.js";

const GRPC = { AUTH_GRPC_URL: "http://127.0.0.1:50051" };
const REDIS = { ...GRPC, REDIS_URL: "redis://127.0.0.1:1" };
const url = GRPC.AUTH_GRPC_URL;
const own = selfSigned();

/** The line at the start of a client with these options. */
function warningOf(options: object): string {
  const logger = new RecordingLogger();
  openBareClient({ grpc: { url }, ...options, logger });
  return logger.lines.join("\n");
}

/** Of the environment and of options: said when the client is made. */
export const settingRows: readonly Mistake[] = [
  {
    is: "no environment",
    make: ofEnvironment({}),
    says: ["AUTH_GRPC_URL or AUTH_REST_URL", "as http://auth:50051 (gRPC) or http://auth:8001 (REST)"],
  },
  { is: "no options", make: ofOptions({}), says: ["at least one upstream (AUTH_GRPC_URL or AUTH_REST_URL)"] },
  {
    is: "a misspelt variable",
    make: ofEnvironment({ AUTH_GPRC_URL: "http://auth:50051" }),
    says: ["AUTH_GPRC_URL: there is no such variable; did you mean AUTH_GRPC_URL?"],
  },
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
    is: "seconds for milliseconds, below what is allowed",
    make: ofOptions({ grpc: { url, timeoutMs: 1 } }),
    says: ["grpc.timeoutMs: expected a number of milliseconds from 20 to 300000, got 1"],
  },
  {
    is: "seconds for milliseconds",
    make: () => warningOf({ cache: { ttlMs: 300 }, breaker: { recoveryMs: 30 } }),
    says: [
      "cache.ttlMs is 300 milliseconds: if seconds were meant, write 300000",
      "breaker.recoveryMs is 30 milliseconds: if seconds were meant, write 30000",
    ],
  },
  {
    is: "milliseconds for seconds, beyond what is allowed",
    make: ofEnvironment({ ...GRPC, AUTH_GRPC_TIMEOUT: "1000" }),
    says: ["AUTH_GRPC_TIMEOUT: expected a number of seconds from 0.02 to 300: this variable is in seconds"],
  },
  {
    is: "milliseconds for seconds",
    make: () =>
      warningOf(optionsFromEnv({ ...GRPC, AUTH_GRPC_TIMEOUT: "250", CIRCUIT_BREAKER_RECOVERY_TIMEOUT: "30000" })),
    says: [
      "AUTH_GRPC_TIMEOUT is 250 seconds: if milliseconds were meant, write 0.25",
      "CIRCUIT_BREAKER_RECOVERY_TIMEOUT is 30000 seconds: if milliseconds were meant, write 30",
    ],
  },
  {
    is: "milliseconds for seconds, of a breaker and a timeout that are not long at first sight",
    make: () =>
      warningOf(
        optionsFromEnv({
          ...GRPC,
          AUTH_GRPC_TIMEOUT: "50",
          CIRCUIT_BREAKER_TIMEOUT: "5000",
          CIRCUIT_BREAKER_RECOVERY_TIMEOUT: "1000",
        }),
      ),
    says: [
      "AUTH_GRPC_TIMEOUT is 50 seconds: if milliseconds were meant, write 0.05",
      "CIRCUIT_BREAKER_TIMEOUT is 5000 seconds: if milliseconds were meant, write 5",
      "CIRCUIT_BREAKER_RECOVERY_TIMEOUT is 1000 seconds: if milliseconds were meant, write 1",
    ],
  },
  {
    is: "a TTL as it is written in seconds",
    make: () => warningOf({ cache: { ttlMs: 3600, staleIfErrorMs: 3600, localsTtlMs: 3600 } }),
    says: [
      "cache.ttlMs is 3600 milliseconds: if seconds were meant, write 3600000",
      "cache.localsTtlMs is 3600 milliseconds: if seconds were meant, write 3600000",
      "cache.staleIfErrorMs is 3600 milliseconds: if seconds were meant, write 3600000",
    ],
  },
  {
    is: "a variable with a misspelt beginning",
    make: ofEnvironment({ ...GRPC, AUHT_REST_URL: "http://auth:8001" }),
    says: ["AUHT_REST_URL: there is no such variable; did you mean AUTH_REST_URL?"],
  },
  {
    is: "a variable with its unit",
    make: () => warningOf(optionsFromEnv({ ...GRPC, AUTH_GRPC_TIMEOUT_MS: "500" })),
    says: ["AUTH_GRPC_TIMEOUT_MS is not read: write AUTH_GRPC_TIMEOUT, in seconds"],
  },
  {
    is: "a variable that is none",
    make: () => warningOf(optionsFromEnv({ ...GRPC, AUTH_REST_HOST: "auth", CIRCUIT_BREAKER_THRESHOLD: "3" })),
    says: [
      "AUTH_REST_HOST is not read: write one of AUTH_REST_URL, AUTH_REST_TIMEOUT",
      "CIRCUIT_BREAKER_THRESHOLD is not read: write CIRCUIT_BREAKER_FAILURE_THRESHOLD",
    ],
  },
  {
    is: "an address in a variable of another name",
    make: ofEnvironment({ AUTH_URL: "http://ana:hunter2@auth:50051" }),
    says: ["AUTH_GRPC_URL or AUTH_REST_URL: expected the URL of the auth service", "got nothing but AUTH_URL"],
  },
  {
    is: "a unit behind a number",
    make: ofEnvironment({ ...GRPC, AUTH_GRPC_TIMEOUT: "1s" }),
    says: ['AUTH_GRPC_TIMEOUT: expected a number of seconds from 0.02 to 300, got "1s"'],
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
