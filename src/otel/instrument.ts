import { type MeterProvider, metrics } from "@opentelemetry/api";
import type { AuthClient } from "../auth/auth-client.js";
import { traitsOf } from "../auth/client-traits.js";
import { recordDurations } from "./durations.js";
import { observe } from "./observables.js";
import { Subscriber } from "./subscriber.js";

/** The scope of all instruments and spans. */
const SCOPE = "portero";

export interface InstrumentOptions {
  /** Default: the one that is registered with `@opentelemetry/api`. */
  meterProvider?: MeterProvider;
}

/**
 * Has OpenTelemetry measure a client. Two clients of one process need a provider each.
 *
 * @returns ends it
 * @throws TypeError for anything that is no client
 */
export function instrument(client: AuthClient, options: InstrumentOptions = {}): () => void {
  if (typeof client?.status !== "function") throw new TypeError("instrument takes an AuthClient");
  const { meterProvider = metrics.getMeterProvider() } = options;
  const { channelKey } = traitsOf(client);
  const subscriber = new Subscriber(channelKey);
  const meter = meterProvider.getMeter(SCOPE);
  subscriber.until(observe(client, meter));
  recordDurations(subscriber, meter);
  return () => subscriber.stop();
}
