import type { MeterProvider, TracerProvider } from "@opentelemetry/api";
import { SettingReader } from "../auth/config/setting-reader.js";
import type { SpanAttributes } from "./spans.js";

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

/** @throws ConfigError that names every option that cannot be used */
export function checkedOptions(options: InstrumentOptions): InstrumentOptions {
  const read = new SettingReader({}, []);
  const bare = isMeterProvider(options) ? "meterProvider" : isTracerProvider(options) ? "tracerProvider" : undefined;
  if (bare) read.secretProblem("options", `{ ${bare}: … }`, "the provider itself");
  read.throwIfAny();
  const given = read.section("", options, ["meterProvider", "tracerProvider", "spanAttributes"]);
  read.optional("meterProvider", given.meterProvider, isMeterProvider, "a MeterProvider, which has getMeter");
  read.optional("tracerProvider", given.tracerProvider, isTracerProvider, "a TracerProvider, which has getTracer");
  read.optional("spanAttributes", given.spanAttributes, (made) => typeof made === "function", "a function");
  read.throwIfAny();
  return given;
}

function isMeterProvider(value: unknown): boolean {
  return typeof (value as Partial<MeterProvider> | null)?.getMeter === "function";
}

function isTracerProvider(value: unknown): boolean {
  return typeof (value as Partial<TracerProvider> | null)?.getTracer === "function";
}
