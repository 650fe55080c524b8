import { type MeterProvider, metrics, type TracerProvider, trace } from "@opentelemetry/api";
import type { AuthClient } from "../auth/auth-client.js";
import { traitsOf } from "../auth/client-traits.js";
import { recordDurations } from "./durations.js";
import { observe } from "./observables.js";
import { makeSpans, type SpanAttributes } from "./spans.js";
import { Subscriber } from "./subscriber.js";

/** The scope of all instruments and spans. */
const SCOPE = "portero";

export interface InstrumentOptions {
  /** Default: the one that is registered with `@opentelemetry/api`. */
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
 * Has OpenTelemetry measure and trace a client. Two clients of one process need a meter provider each.
 *
 * @returns ends it
 * @throws TypeError for anything that is no client
 */
export function instrument(client: AuthClient, options: InstrumentOptions = {}): () => void {
  if (typeof client?.status !== "function") throw new TypeError("instrument takes an AuthClient");
  const { meterProvider = metrics.getMeterProvider(), tracerProvider = trace.getTracerProvider() } = options;
  const { channelKey, answerListeners } = traitsOf(client);
  const subscriber = new Subscriber(channelKey);
  const meter = meterProvider.getMeter(SCOPE);
  subscriber.until(observe(client, meter));
  recordDurations(subscriber, meter);
  const { spanAttributes } = options;
  makeSpans(subscriber, { tracer: tracerProvider.getTracer(SCOPE), answerListeners, spanAttributes });
  return () => subscriber.stop();
}
