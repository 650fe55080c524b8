import type { SharedStore } from "../../src/cache/shared-store.js";
import type { SimulatedProcess } from "./process.js";

/** The options of a client, as the settings of its process say. */
export function optionsOf(process: SimulatedProcess, store: SharedStore | undefined, secrets: readonly string[]) {
  const { settings, service } = process;
  const { grpcMs, restMs, deadlineMs, breaker, retry, limit, cache } = settings;
  const logger = {
    info: (message: string) => process.write("info", message),
    warn: (message: string) => process.write("warn", message),
    error: (message: string) => process.write("error", message),
  };
  return {
    ...(grpcMs !== undefined && {
      grpc: { url: `http://10.0.0.${service}:50051`, connections: { min: 1 }, timeoutMs: grpcMs },
    }),
    ...(restMs !== undefined && { rest: { url: `http://rest-${service}.example`, timeoutMs: restMs } }),
    ...(deadlineMs !== undefined && { deadlineMs }),
    breaker,
    retry,
    limit,
    cache: {
      ...cache,
      ...(store && { store }),
      ...(settings.headers !== "none" && { namespace: `service ${service}` }),
      ...(secrets.length > 0 && { secret: secrets }),
    },
    logger,
  };
}
