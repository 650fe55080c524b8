import type { AuthClient } from "../auth/auth-client.js";
import { SettingReader } from "../auth/config/setting-reader.js";
import { getAuthClient } from "../auth/shared-client.js";
import { assertNoClient } from "./auth-options.js";
import { assertNoRequest } from "./misuse.js";

export interface HealthOptions {
  /** Default: the one of this process, made from the environment. */
  client?: AuthClient;
  /** Answer 503 also while `health().status` is `down`. Default `false`: cached users are served all the same. */
  strict?: boolean;
}

/** A whole answer. */
export interface HealthAnswer {
  readonly status: 200 | 503;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const NOT_READY = "its client's ready() has not resolved so far, or close() was called";

/**
 * Makes the answers of a health check, for readiness: 503 before the client's first `ready()` and after `close()`, else 200, and the
 * client's health as JSON.
 *
 * @throws ConfigError that names every option that cannot be used
 */
export function healthAnswers(options: HealthOptions): () => HealthAnswer {
  assertNoRequest("healthHandler", options);
  assertNoClient(options);
  const read = new SettingReader({}, []);
  const given = read.section("", options, ["client", "strict"]);
  read.optional("client", given.client, (client) => typeof client?.health === "function", "an AuthClient");
  read.optional("strict", given.strict, (strict) => typeof strict === "boolean", "true or false");
  read.throwIfAny();
  const { client = getAuthClient(), strict = false } = given;
  return () => {
    const health = client.health();
    const isWell = health.ready && !(strict && health.status === "down");
    const body = JSON.stringify(health.ready ? health : { ...health, detail: NOT_READY });
    return {
      status: isWell ? 200 : 503,
      headers: {
        "Content-Type": "application/json",
        "Content-Length": String(Buffer.byteLength(body)),
        "Cache-Control": "no-store",
      },
      body,
    };
  };
}
