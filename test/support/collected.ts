import type { Attributes } from "@opentelemetry/api";
import {
  AggregationTemporality,
  type DataPoint,
  type Histogram,
  MeterProvider,
  MetricReader,
} from "@opentelemetry/sdk-metrics";

class OnDemandReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
  override selectAggregationTemporality(): AggregationTemporality {
    return AggregationTemporality.CUMULATIVE;
  }
}

/** One instrument, and what it has of each set of attributes: the value, or of a histogram how many there were. */
export interface Collected {
  readonly name: string;
  readonly unit: string;
  readonly points: readonly { readonly attributes: Attributes; readonly value: number }[];
}

/** The real SDK, read when a test wants it. */
export class TestMeters {
  readonly #reader = new OnDemandReader();
  readonly provider = new MeterProvider({ readers: [this.#reader] });

  async collect(): Promise<readonly Collected[]> {
    const { resourceMetrics, errors } = await this.#reader.collect();
    if (errors.length > 0) throw errors[0];
    return resourceMetrics.scopeMetrics.flatMap(({ scope, metrics }) =>
      metrics.map(({ descriptor, dataPoints }) => ({
        name: `${scope.name === "portero" ? "" : `${scope.name} `}${descriptor.name}`,
        unit: descriptor.unit,
        points: (dataPoints as DataPoint<number | Histogram>[]).map(({ attributes, value }) => ({
          attributes,
          value: typeof value === "number" ? value : value.count,
        })),
      })),
    );
  }

  /** The values of one instrument that are not 0, by their attributes in one text. */
  async valuesOf(name: string): Promise<Readonly<Record<string, number>>> {
    const found = (await this.collect()).find((each) => each.name === name);
    const points = (found?.points ?? []).filter(({ value }) => value !== 0);
    return Object.fromEntries(points.map(({ attributes, value }) => [Object.values(attributes).join(" "), value]));
  }

  shutdown(): Promise<void> {
    return this.provider.shutdown();
  }
}
