// A client that asks the auth service over gRPC, in a process of its own. All kinds ask for the same tokens in the same order.
import { fileURLToPath } from "node:url";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { credentials, loadPackageDefinition, type ServiceClientConstructor } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { createAuthClient } from "portero";
import { AuthService } from "portero/proto";
import { keepAsking } from "../kit/ask.js";
import type { AskingProcess } from "../kit/askers.js";
import { expose } from "../kit/process.js";
import { distinctToken } from "../kit/tokens.js";

export type GrpcClientKind = "portero" | "bare connect-node" | "@grpc/grpc-js";

export interface GrpcClientOptions {
  readonly kind: GrpcClientKind;
  readonly grpcUrl: string;
}

/** More than portero remembers: when a token's turn comes again, it has been forgotten. */
const TOKENS = Array.from({ length: 4000 }, (_, user) => distinctToken(user));
const REMEMBERED = 1000;
/** Real calls have a time-out; this one is never reached, however slow the machine. */
const TIMEOUT_MS = 10_000;
const PROTO = fileURLToPath(new URL("../../proto/auth/auth_service.proto", import.meta.url));

await expose<GrpcClientOptions, AskingProcess>((options) => {
  const verify = verifierOf(options);
  let at = 0;
  const askNext = () => {
    at = (at + 1) % TOKENS.length;
    return verify(TOKENS[at]!);
  };
  return { ask: (load) => keepAsking(askNext, load) };
});

function verifierOf({ kind, grpcUrl }: GrpcClientOptions): (token: string) => Promise<unknown> {
  switch (kind) {
    case "portero": {
      const client = createAuthClient({
        grpc: { url: grpcUrl, timeoutMs: TIMEOUT_MS, hedgeMs: TIMEOUT_MS }, // each call is counted
        cache: { maxEntries: REMEMBERED },
      });
      return (token) => client.verifyToken(token);
    }
    case "bare connect-node": {
      const client = createClient(AuthService, createGrpcTransport({ baseUrl: grpcUrl }));
      return (token) => client.verifyToken({ token }, { timeoutMs: TIMEOUT_MS });
    }
    case "@grpc/grpc-js":
      return grpcJsVerifier(new URL(grpcUrl).host);
  }
}

function grpcJsVerifier(host: string): (token: string) => Promise<unknown> {
  const definition = loadPackageDefinition(loadSync(PROTO, { keepCase: true, defaults: true }));
  const { AuthService: Client } = definition.auth as unknown as { AuthService: ServiceClientConstructor };
  const client = new Client(host, credentials.createInsecure());
  const verifyToken = client.VerifyToken!.bind(client) as (
    request: { token: string },
    options: { deadline: number },
    callback: (error: Error | null, answer: unknown) => void,
  ) => void;
  return (token) =>
    new Promise((resolve, reject) => {
      verifyToken({ token }, { deadline: Date.now() + TIMEOUT_MS }, (error, answer) =>
        error ? reject(error) : resolve(answer),
      );
    });
}
