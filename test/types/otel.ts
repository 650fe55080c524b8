import type { MeterProvider, TracerProvider } from "@opentelemetry/api";
import type { AuthClient } from "portero/client";
import { type InstrumentOptions, instrument } from "portero/otel";

declare const client: AuthClient;
declare const meterProvider: MeterProvider;
declare const tracerProvider: TracerProvider;

const options: InstrumentOptions = {
  meterProvider,
  tracerProvider,
  spanAttributes: ({ user }) => ({ "user.id": user.id }),
};
const undo: () => void = instrument(client, options);
undo();
instrument(client);
