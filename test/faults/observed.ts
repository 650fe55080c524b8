import { createServer } from "node:http";
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import type { AuthClient } from "../../src/client.js";
import { instrument } from "../../src/otel.js";
import { listen } from "../support/listen.js";

/** Metrics of one client, as the Prometheus exporter writes them. */
export class Observed {
  readonly exporter = new PrometheusExporter({ preventServerStart: true });
  readonly #provider = new MeterProvider({ readers: [this.exporter] });
  readonly #stop: () => void;

  constructor(client: AuthClient) {
    this.#stop = instrument(client, { meterProvider: this.#provider });
  }

  async close(): Promise<void> {
    this.#stop();
    await this.#provider.shutdown();
  }
}

/** Serves the metrics of clients, each at the path of its name. */
export async function serveMetrics(observed: ReadonlyMap<string, Observed>) {
  const server = createServer((request, response) => {
    observed.get(request.url!.slice(1))!.exporter.getMetricsRequestHandler(request, response);
  });
  const port = await listen(server);
  return {
    address: `127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What was scraped at one moment after the other: of each series, by its name and labels, one value for each. */
export class Recording {
  readonly #series = new Map<string, string[]>();
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** @param names of which metrics; the others are left out */
  async scrape(address: string, job: string, names: RegExp): Promise<void> {
    const text = await (await fetch(`http://${address}/${job}`)).text();
    for (const [, name = "", labels = "", value = ""] of text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)) {
      if (!names.test(name)) continue;
      const key = `${name}{${[`job="${job}"`, labels].filter(Boolean).join(",")}}`;
      const values = this.#series.get(key) ?? [];
      while (values.length < this.#length) values.push("_");
      this.#series.set(key, [...values, value]);
    }
  }

  /** The next moment. */
  advance(): void {
    this.#length++;
  }

  /** As `promtool test rules` takes them. */
  series(rename: (series: string) => string = (series) => series): { series: string; values: string }[] {
    return [...this.#series].map(([series, values]) => ({ series: rename(series), values: values.join(" ") }));
  }
}
