import type { MeterProvider } from "@opentelemetry/api";
import type { AuthClient } from "portero/client";
import { type InstrumentOptions, instrument } from "portero/otel";

declare const client: AuthClient;
declare const meterProvider: MeterProvider;

const options: InstrumentOptions = { meterProvider };
const undo: () => void = instrument(client, options);
undo();
instrument(client);
