import { fileURLToPath } from "node:url";
import type { Interceptor } from "@connectrpc/connect";
import type { ServiceClientConstructor } from "@grpc/grpc-js";
import type { ReplicaCallerOptions } from "../subjects/replica-caller.js";

export type CallerKind = "portero" | "grpc-js" | "one session";

/** An answer, and where it came from. */
export interface Asked {
  readonly user: string;
  readonly answeredBy: "grpc" | "rest";
}

export interface Asker {
  ask(token: string): Promise<Asked>;
  /** Calls over gRPC so far. */
  readonly sent: number;
}

type Options = Omit<ReplicaCallerOptions, "hosts" | "crowd">;

/** Portero's default, for all of them. */
const TIMEOUT_MS = 1000;
const NAME = "replicas.test";
/** The replica that is struck: one process of four is led to it. */
export const PINNED = 1;
const PROTO = fileURLToPath(new URL("../../proto/auth/auth_service.proto", import.meta.url));

/** As near to portero as its settings let it come: an eye on them once a second, half of them out at most, for a second at first. */
const OUTLIER_DETECTION = {
  interval: { seconds: 1, nanos: 0 },
  base_ejection_time: { seconds: 1, nanos: 0 },
  max_ejection_time: { seconds: 30, nanos: 0 },
  max_ejection_percent: 50,
  success_rate_ejection: { stdev_factor: 1900, enforcement_percentage: 100, minimum_hosts: 3, request_volume: 5 },
  failure_percentage_ejection: { threshold: 50, enforcement_percentage: 100, minimum_hosts: 3, request_volume: 5 },
  child_policy: [{ round_robin: {} }],
};

/** Each loads what it needs itself. */
export function askerOf(options: Options, hosts: readonly string[]): Promise<Asker> {
  switch (options.kind) {
    case "portero":
      return portero(options);
    case "grpc-js":
      return grpcJs(options);
    case "one session":
      return oneSession(options, hosts[PINNED] ?? hosts[0]!);
  }
}

async function portero({ port, restUrl, hedgeMs, minConnections }: Options): Promise<Asker> {
  const { createAuthClient } = await import("portero");
  let sent = 0;
  const count: Interceptor = (next) => (request) => {
    sent++;
    return next(request);
  };
  const client = createAuthClient({
    grpc: {
      url: `http://${NAME}:${port}`,
      timeoutMs: TIMEOUT_MS,
      interceptors: [count],
      ...(hedgeMs !== undefined && { hedgeMs }),
      ...(minConnections !== undefined && { connections: { min: minConnections } }),
    },
    rest: { url: restUrl },
    breaker: { recoveryMs: 2000 }, // an outage of one scene is not to last into the next
    logger: false,
  });
  return {
    async ask(token) {
      const { user, source } = await client.verifyToken(token);
      return { user: user.id, answeredBy: source === "rest" ? "rest" : "grpc" };
    },
    get sent() {
      return sent;
    },
  };
}

async function grpcJs({ port }: Options): Promise<Asker> {
  const { credentials, loadPackageDefinition } = await import("@grpc/grpc-js");
  const { loadSync } = await import("@grpc/proto-loader");
  const definition = loadPackageDefinition(loadSync(PROTO, { keepCase: true, defaults: true }));
  const { AuthService: Client } = definition.auth as unknown as { AuthService: ServiceClientConstructor };
  const client = new Client(`dns:${NAME}:${port}`, credentials.createInsecure(), {
    "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ outlier_detection: OUTLIER_DETECTION }] }),
    "grpc.service_config_disable_resolution": 1,
  });
  const verifyToken = client.VerifyToken!.bind(client) as (
    request: { token: string },
    options: { deadline: number },
    callback: (error: Error | null, answer?: { user_id: string }) => void,
  ) => void;
  let sent = 0;
  return {
    ask(token) {
      sent++;
      return new Promise((resolve, reject) => {
        verifyToken({ token }, { deadline: Date.now() + TIMEOUT_MS }, (error, answer) =>
          answer ? resolve({ user: answer.user_id, answeredBy: "grpc" }) : reject(error),
        );
      });
    },
    get sent() {
      return sent;
    },
  };
}

async function oneSession({ port }: Options, host: string): Promise<Asker> {
  const { createClient } = await import("@connectrpc/connect");
  const { createGrpcTransport } = await import("@connectrpc/connect-node");
  const { AuthService } = await import("portero/proto");
  const client = createClient(AuthService, createGrpcTransport({ baseUrl: `http://${host}:${port}` }));
  let sent = 0;
  return {
    async ask(token) {
      sent++;
      const { userId } = await client.verifyToken({ token }, { timeoutMs: TIMEOUT_MS });
      return { user: userId, answeredBy: "grpc" };
    },
    get sent() {
      return sent;
    },
  };
}
