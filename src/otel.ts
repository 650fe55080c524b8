/** `portero/otel`: metrics and traces, for OpenTelemetry. */

export { instrument } from "./otel/instrument.js";
export type { InstrumentOptions } from "./otel/instrument-options.js";
export type { SpanAttributes } from "./otel/spans.js";
