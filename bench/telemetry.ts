import type { ServerResponse } from "node:http";
import { Socket } from "node:net";
import { context, propagation, SpanKind, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from "@opentelemetry/sdk-trace";
import { type AuthClient, createAuthClient, requireAuth } from "portero";
import { type InstrumentOptions, instrument } from "portero/otel";
import { type AskSample, keepAsking } from "./kit/ask.js";
import type { Bench, Context, Findings } from "./kit/bench.js";
import { nanosOf } from "./kit/micro.js";
import { launch } from "./kit/process.js";
import { forget, requestWith } from "./kit/requests.js";
import { inTurn } from "./kit/rounds.js";
import { ratioOf, spreadOf } from "./kit/spread.js";
import { distinctToken } from "./kit/tokens.js";
import type { AuthServiceProcess } from "./subjects/auth-service.js";

const USERS = 100;
const ROUNDS = 15;
/** More tokens than the client remembers: each is new to it. */
const TOKENS = Array.from({ length: 4000 }, (_, user) => distinctToken(user));
const REMEMBERED = 1000;

export const telemetry: Bench = {
  name: "telemetry",
  question: "What do metrics and traces cost?",
  setup:
    "One client that `instrument()` measures and traces by turns, and that it does not, in one process: the same `requireAuth()` with requests " +
    "of 100 users that it knows, then tokens that are new to it, over gRPC. Every question is sampled; spans are batched and dropped, " +
    "the metrics collected once a second. The context manager and the propagator are there all the time, as an application has them. " +
    "Two spans, three records and a `traceparent`, made by the SDK alone, stand beside it: so much is added to each question in any case.",
  async run(bench) {
    await using service = await launch<AuthServiceProcess>(new URL("./subjects/auth-service.ts", import.meta.url));
    const { grpc } = await service.call("urls");
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    const exporter = new DroppingExporter();
    const providers = startProviders(exporter);
    try {
      const hits = await hitPath(grpc, providers.options, bench);
      const before = exporter.spans;
      const cold = await coldPath(grpc, providers.options, bench);
      await providers.flush();
      const after = exporter.spans;
      const alone = await sdkAlone(providers.options, bench);
      return {
        figures: [...hits.figures, ...cold.figures, ...alone.figures],
        ratios: [...hits.ratios, ...cold.ratios],
        counts: [
          { what: "spans of hits", is: before, target: { exactly: 0 } },
          {
            what: "questions while it was traced, less half of their spans",
            is: cold.traced - (after - before) / 2,
            target: { exactly: 0 },
          },
        ],
      };
    } finally {
      await providers.shutdown();
      context.disable();
      propagation.disable();
    }
  },
};

/** Where spans end: what the network takes is not portero's. */
class DroppingExporter implements SpanExporter {
  spans = 0;

  export(spans: Parameters<SpanExporter["export"]>[0], done: Parameters<SpanExporter["export"]>[1]): void {
    this.spans += spans.length;
    done({ code: 0 });
  }

  async shutdown(): Promise<void> {}
}

function startProviders(exporter: SpanExporter) {
  const batches = { exporter, maxQueueSize: 2 ** 20, scheduledDelayMillis: 500 }; // none is lost: they are counted
  const tracerProvider = new TracerProvider({ spanProcessors: [new BatchSpanProcessor(batches)] });
  const reader = new PeriodicExportingMetricReader({
    exporter: new LatestMetrics(AggregationTemporality.CUMULATIVE),
    exportIntervalMillis: 1000,
    exportTimeoutMillis: 1000,
  });
  const meterProvider = new MeterProvider({ readers: [reader] });
  return {
    options: { tracerProvider, meterProvider } satisfies InstrumentOptions,
    flush: () => tracerProvider.forceFlush(),
    shutdown: async () => {
      await tracerProvider.shutdown();
      await meterProvider.shutdown();
    },
  };
}

/** Holds one collection, not all of them. */
class LatestMetrics extends InMemoryMetricExporter {
  override export(...given: Parameters<InMemoryMetricExporter["export"]>): void {
    this.reset();
    super.export(...given);
  }
}

type Part = Pick<Findings, "figures" | "ratios">;

async function hitPath(grpc: string, options: InstrumentOptions, bench: Context): Promise<Part> {
  await using client = createAuthClient({ grpc: { url: grpc, hedgeMs: 60_000 }, cache: { ttlMs: 3_600_000 } });
  const proxy = new Socket();
  const tokens = TOKENS.slice(0, USERS);
  for (const token of tokens) await client.verifyToken(token);
  const requests = tokens.map((token) => requestWith(token, proxy));
  const handler = requireAuth({ client });
  const next = (error?: unknown) => {
    if (error) throw error;
  };
  let at = 0;
  const hit = () => {
    at = (at + 1) % USERS;
    const request = requests[at]!;
    forget(request);
    handler(request as never, {} as ServerResponse, next);
  };
  const { plain, traced } = await inTurn(
    byTurns(client, options, () => nanosOf(hit, bench)),
    bench.quick ? 1 : ROUNDS,
    bench,
  );
  return {
    figures: [
      { subject: "a hit", what: "ns", spread: spreadOf(plain) },
      { subject: "a hit, instrumented", what: "ns", spread: spreadOf(traced) },
    ],
    ratios: [{ what: "a hit, instrumented / not", spread: ratioOf(traced, plain), target: { atMost: 1.05 } }],
  };
}

async function coldPath(grpc: string, options: InstrumentOptions, bench: Context): Promise<Part & { traced: number }> {
  await using client = createAuthClient({
    grpc: { url: grpc, timeoutMs: 10_000, hedgeMs: 10_000 },
    cache: { maxEntries: REMEMBERED },
  });
  const parts: Part[] = [];
  let at = 0;
  let asked = 0;
  const ask = () => {
    at = (at + 1) % TOKENS.length;
    return client.verifyToken(TOKENS[at]!);
  };
  for (const { inFlight, what, of } of LOADS) {
    const load = { inFlight, seconds: bench.quick ? 0.2 : 1 };
    const samples = await inTurn(
      byTurns(client, options, () => keepAsking(ask, load)),
      bench.quick ? 1 : ROUNDS,
      bench,
    );
    asked += samples.traced.reduce((sum, sample) => sum + sample.asked, 0);
    const [plain, traced] = [samples.plain.map(of), samples.traced.map(of)];
    parts.push({
      figures: [
        { subject: "a question over gRPC", what, spread: spreadOf(plain) },
        { subject: "a question over gRPC, instrumented", what, spread: spreadOf(traced) },
      ],
      ratios: [{ what: `${what}, instrumented / not`, spread: ratioOf(traced, plain), target: { atMost: 1.1 } }],
    });
  }
  return {
    figures: parts.flatMap(({ figures }) => figures),
    ratios: parts.flatMap(({ ratios }) => ratios),
    traced: asked,
  };
}

/** What the SDK takes for all that is made of one question: two spans, three records, a header. */
async function sdkAlone(
  { tracerProvider, meterProvider }: Required<Pick<InstrumentOptions, "tracerProvider" | "meterProvider">>,
  bench: Context,
): Promise<Pick<Part, "figures">> {
  const tracer = tracerProvider.getTracer("alone");
  const meter = meterProvider.getMeter("alone");
  const histograms = ["one", "two", "three"].map((name) => meter.createHistogram(name, { unit: "s" }));
  const attributes = { "rpc.system.name": "grpc", "rpc.method": "auth.AuthService/VerifyToken" };
  const make = () => {
    const question = tracer.startSpan("question", { kind: SpanKind.INTERNAL });
    const within = trace.setSpan(context.active(), question);
    context.with(within, () => {
      const call = tracer.startSpan("call", { kind: SpanKind.CLIENT, attributes }, within);
      const inside = trace.setSpan(within, call);
      context.with(inside, () => propagation.inject(inside, {}));
      call.end();
    });
    question.end();
    for (const histogram of histograms) histogram.record(0.001, attributes);
  };
  const micros: number[] = [];
  for (let round = 0; round < (bench.quick ? 1 : 5); round++) micros.push((await nanosOf(make, bench)) / 1000);
  return { figures: [{ subject: "the SDK alone, for one question", what: "µs", spread: spreadOf(micros) }] };
}

const LOADS = [
  { inFlight: 1, what: "latency, µs, 1 in flight", of: ({ p50 }: AskSample) => p50 },
  { inFlight: 32, what: "time for each, µs, 32 in flight", of: ({ micros }: AskSample) => micros },
] as const;

/** The same, with and without. */
function byTurns<T>(client: AuthClient, options: InstrumentOptions, measure: () => Promise<T>) {
  return {
    plain: measure,
    traced: async () => {
      const undo = instrument(client, options);
      try {
        return await measure();
      } finally {
        undo();
      }
    },
  };
}
