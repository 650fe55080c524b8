import { createNoopMeter, metrics, trace } from "@opentelemetry/api";
import type { AuthClient } from "../auth/auth-client.js";
import { DEFAULT_TRAITS, traitsOf } from "../auth/client-traits.js";
import { recordDurations } from "./durations.js";
import { checkedOptions, type InstrumentOptions } from "./instrument-options.js";
import { measure } from "./measured.js";
import { type Observation, observe } from "./observables.js";
import { makeSpans } from "./spans.js";
import { Subscriber } from "./subscriber.js";

/** The scope of all instruments and spans. */
const SCOPE = "portero";
const NO_METERS =
  "portero/otel: no MeterProvider is registered, so there are no metrics: call instrument() after the SDK has started";

const MEASURES_ANOTHER =
  "portero/otel: this MeterProvider measures another client, whose numbers those of this one would replace: this one is not measured. " +
  "Give each client one of its own: instrument(client, { meterProvider: new MeterProvider({ readers: [reader] }) })";

/**
 * Has OpenTelemetry measure and trace a client, until it is closed; its numbers are collected once more then. To be called after the SDK
 * has started: where no provider is given and no `MeterProvider` is registered, a log line says so. Two clients of one process need a meter
 * provider each: with one that measures another client, this one is not measured. With a provider that this client has already, a second
 * call measures or traces nothing. Both are logged.
 *
 * @returns ends what this call has begun, at once
 * @throws TypeError for anything that is no client
 * @throws ConfigError that names every option that cannot be used
 */
export function instrument(client: AuthClient, options: InstrumentOptions = {}): () => void {
  if (typeof client?.status !== "function") throw new TypeError("instrument takes an AuthClient");
  const given = checkedOptions(options);
  const { meterProvider = metrics.getMeterProvider(), tracerProvider = trace.getTracerProvider() } = given;
  const traits = { ...DEFAULT_TRAITS, ...traitsOf(client) }; // those of an older copy may lack some
  const { channelKey, answerListeners, closeListeners, instrumentedWith, logger } = traits;
  const subscriber = new Subscriber(channelKey);
  const meter = meterProvider.getMeter(SCOPE);
  let observation: Observation | undefined;
  if (meter === createNoopMeter()) {
    if (given.meterProvider === undefined && given.tracerProvider === undefined) logger.warn(NO_METERS);
  } else if (isNew(meterProvider, "MeterProvider") && isMeasured(meterProvider)) {
    observation = observe(client, meter);
    recordDurations(subscriber, meter);
  }
  if (isNew(tracerProvider, "TracerProvider")) {
    const { spanAttributes } = given;
    makeSpans(subscriber, { tracer: tracerProvider.getTracer(SCOPE), answerListeners, spanAttributes });
  }
  const onClose = () => {
    observation?.endAfterNext();
    subscriber.stop();
  };
  closeListeners.add(onClose);
  return () => {
    closeListeners.delete(onClose);
    observation?.end();
    subscriber.stop();
  };

  function isNew(provider: object, kind: string): boolean {
    if (instrumentedWith.has(provider)) {
      logger.warn(`portero/otel: instrument() was called again with the same ${kind}, which changes nothing`);
      return false;
    }
    instrumentedWith.add(provider);
    subscriber.until(() => void instrumentedWith.delete(provider));
    return true;
  }

  function isMeasured(provider: object): boolean {
    const end = measure(provider);
    if (end) {
      subscriber.until(end);
      return true;
    }
    instrumentedWith.delete(provider);
    logger.warn(MEASURES_ANOTHER);
    return false;
  }
}
