/** `portero/otel`: metrics and traces, for OpenTelemetry. */

export { type InstrumentOptions, instrument } from "./otel/instrument.js";
export type { SpanAttributes } from "./otel/spans.js";
