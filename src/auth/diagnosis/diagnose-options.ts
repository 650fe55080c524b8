import { tolerant } from "../../runtime/logger.js";
import { readConfig } from "../config/config.js";
import type { AuthClientOptions } from "../config/options.js";
import { Events } from "../events.js";
import { createPipeline, networkUpstreams } from "../pipeline.js";
import { createTokenSyntax } from "../token.js";
import { diagnose } from "./diagnose.js";
import type { AuthClientDiagnosis, DiagnoseOptions } from "./diagnosis.js";

/**
 * What `diagnose()` would find in a client of these options, which is not made: without a cache, nothing of it is left in Redis.
 *
 * @throws ConfigError, as a rejection, that names every option that cannot be used
 */
export async function diagnoseOptions(
  options: AuthClientOptions,
  given: DiagnoseOptions,
): Promise<AuthClientDiagnosis> {
  const read = readConfig(options);
  const config = { ...read, logger: tolerant(read.logger) };
  const channelKey = Object.freeze({});
  const events = new Events(config.logger, channelKey);
  const pipeline = createPipeline(config, events, channelKey, networkUpstreams);
  const isToken = createTokenSyntax(config.tokenSyntax, config.maxTokenBytes);
  try {
    const closing = new AbortController().signal;
    return await diagnose({ config, upstreams: pipeline.upstreams, isToken, closing }, given);
  } finally {
    pipeline.close();
  }
}
