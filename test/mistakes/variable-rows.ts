import { optionsFromEnv } from "../../src/index.js";
import { openBareClient } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { type Mistake, ofEnvironment, ofOptions } from "./mistake.js";

const GRPC = { AUTH_GRPC_URL: "http://127.0.0.1:50051" };
const url = GRPC.AUTH_GRPC_URL;

/** The line at the start of a client with these options. */
function warningOf(options: object): string {
  const logger = new RecordingLogger();
  openBareClient({ grpc: { url }, ...options, logger });
  return logger.lines.join("\n");
}

/** Of the names of variables, and of the units of times: said when the client is made. */
export const variableRows: readonly Mistake[] = [
  {
    is: "no environment",
    make: ofEnvironment({}),
    says: ["AUTH_GRPC_URL or AUTH_REST_URL", "as http://auth:50051 (gRPC) or http://auth:8001 (REST)"],
  },
  {
    is: "a misspelt variable",
    make: ofEnvironment({ AUTH_GPRC_URL: "http://auth:50051" }),
    says: ["AUTH_GPRC_URL: there is no such variable; did you mean AUTH_GRPC_URL?"],
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
];
