import { createNoopMeter, type MeterProvider, metrics, type TracerProvider, trace } from "@opentelemetry/api";
import type { AuthClient } from "../auth/auth-client.js";
import { DEFAULT_TRAITS, traitsOf } from "../auth/client-traits.js";
import { recordDurations } from "./durations.js";
import { type Observation, observe } from "./observables.js";
import { makeSpans, type SpanAttributes } from "./spans.js";
import { Subscriber } from "./subscriber.js";

/** The scope of all instruments and spans. */
const SCOPE = "portero";
const NO_METERS =
  "portero/otel: no MeterProvider is registered, so there are no metrics: call instrument() after the SDK has started";

export interface InstrumentOptions {
  /** Default: the one that is registered with `@opentelemetry/api` at this moment: a later one measures nothing. */
  meterProvider?: MeterProvider;
  /**
   * Default: the one that is registered with `@opentelemetry/api`. Parents and `traceparent` need a context manager and a propagator that are
   * registered there, as an SDK does it.
   */
  tracerProvider?: TracerProvider;
  /**
   * What the spans of verified tokens say of the user: `({ user }) => ({ "user.id": user.id })`. Called when an answer has come, not on a
   * hit; where it throws, or returns a promise, the span says nothing. Default: nothing, since traces go where users may not be named.
   */
  spanAttributes?: SpanAttributes;
}

/**
 * Has OpenTelemetry measure and trace a client, until it is closed; its numbers are collected once more then. To be called after the SDK
 * has started: where no provider is given and no `MeterProvider` is registered, a log line says so. Two clients of one process need a meter provider each; with a
 * provider that this client has already, a second call measures or traces nothing, and logs that.
 *
 * @returns ends what this call has begun, at once
 * @throws TypeError for anything that is no client
 */
export function instrument(client: AuthClient, options: InstrumentOptions = {}): () => void {
  if (typeof client?.status !== "function") throw new TypeError("instrument takes an AuthClient");
  const { meterProvider = metrics.getMeterProvider(), tracerProvider = trace.getTracerProvider() } = options;
  const traits = { ...DEFAULT_TRAITS, ...traitsOf(client) }; // those of an older copy may lack some
  const { channelKey, answerListeners, closeListeners, instrumentedWith, logger } = traits;
  const subscriber = new Subscriber(channelKey);
  const meter = meterProvider.getMeter(SCOPE);
  let observation: Observation | undefined;
  if (meter === createNoopMeter()) {
    if (options.meterProvider === undefined && options.tracerProvider === undefined) logger.warn(NO_METERS);
  } else if (isNew(meterProvider, "MeterProvider")) {
    observation = observe(client, meter);
    recordDurations(subscriber, meter);
  }
  if (isNew(tracerProvider, "TracerProvider")) {
    const { spanAttributes } = options;
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
}
