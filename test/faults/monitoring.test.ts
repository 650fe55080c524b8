import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { eventually } from "../support/eventually.js";
import { describeWithRedis } from "../support/redis-server.js";
import { root } from "../support/workspace.js";
import { firedByHand, rowsByHand } from "./alert-rows.js";
import { closeKept, kept } from "./kept.js";
import { Observed, Recording, serveMetrics } from "./observed.js";
import { describeWithPrometheus, type Prometheus, startPrometheus, testRules } from "./prometheus-process.js";
import { openWorlds, type World } from "./worlds.js";

jest.setTimeout(120_000);

/** In steps; one stands for a minute in the recording. Together, those before the outage are more than the alerts look back. */
const WELL = 34;
/** Prometheus takes some seconds until it scrapes: these it sees. */
const STILL_WELL = 8;
const OUTAGE = 18;
/** The metrics that alerts read. */
const READ_BY_ALERTS =
  /^portero_(authentications_total|authorizations_total|breaker_state|upstream_(queued_calls|call_duration_count)|cache_shared_errors_total|log_state)$/;

/** A group of a regular expression of Prometheus. */
const group = (number: number) => `$\{${number}}`;
/** The names that the Collector makes of the exporter's: with the unit. */
const BY_COLLECTOR = [
  {
    regex: "((?:portero|rpc_client)_.*duration)(_bucket|_sum|_count)",
    replacement: `${group(1)}_seconds${group(2)}`,
  },
  { regex: "(portero_cache_size)", replacement: `${group(1)}_bytes` },
  { regex: "(portero_breaker_state|portero_log_state)", replacement: `${group(1)}_ratio` },
];
const EXPORTERS = ["exporter", "collector"] as const;

const panels: { title: string; expr: string }[] = JSON.parse(
  readFileSync(join(root, "ops", "grafana-dashboard.json"), "utf8"),
).panels.flatMap(({ title, targets = [] }: { title: string; targets?: { expr: string }[] }) =>
  targets.map(({ expr }) => ({ title, expr })),
);

describeWithPrometheus("Prometheus,", () =>
  describeWithRedis("before clients of which some lose what they need,", () => {
    let worlds: ReadonlyMap<string, World>;
    let prometheus: Prometheus;
    const recording = new Recording();
    let begun: number;
    let ended: number;

    beforeAll(async () => {
      worlds = await openWorlds();
      const observed = new Map([...worlds].map(([name, { client }]) => [name, kept(new Observed(client))]));
      const metrics = kept(await serveMetrics(observed));
      prometheus = kept(await startPrometheus(configuration(metrics.address, [...worlds.keys()])));
      const all = worlds.size * EXPORTERS.length;
      const has = async (expression: string) => (await prometheus.query(expression, now(), now())).length > 0;
      const scraped = async (what: string) => {
        const since = `count(timestamp({__name__=~"portero_cache_size(_bytes)?"}) > ${now()}) == ${all}`;
        await eventually(() => has(since), what);
      };
      await take(WELL, metrics.address);
      await eventually(() => has(`count(max_over_time(up[1m]) == 1) == ${all}`), "all are scraped");
      begun = now();
      await take(STILL_WELL, metrics.address);
      await Promise.all([...worlds.values()].map((world) => world.strike()));
      // A series that begins with a failure has a rate from its second scrape on: where a breaker opens between two, there is nothing to see.
      await take(1, metrics.address);
      await scraped("the first failures are scraped");
      await take(OUTAGE - 1, metrics.address);
      await scraped("the outages are scraped");
      ended = now();
      for (const world of worlds.values()) world.heal?.();
    });

    afterAll(closeKept);

    async function take(steps: number, address: string): Promise<void> {
      for (let step = 0; step < steps; step++) {
        await Promise.all([...worlds.values()].map((world) => world.step()));
        for (const name of worlds.keys()) await recording.scrape(address, name, READ_BY_ALERTS);
        recording.advance();
      }
    }

    test.each(EXPORTERS)("has data for every query of the dashboard, with the names of the %s", async (exporter) => {
      const found = await Promise.all(
        panels.map(async ({ title, expr }) => {
          const series = await prometheus.query(filled(expr, exporter), begun, ended);
          const values = series.flatMap(({ values }) => values).filter(Number.isFinite);
          return { title, expr, most: Math.max(...values) };
        }),
      );
      expect(found.length).toBeGreaterThan(30);
      // Something has happened in each of them, but for gaps: a process that lost Redis counts one when it is back.
      expect(found.filter(({ most, expr }) => !(most > 0) && !(most === 0 && expr.includes("_gaps_")))).toEqual([]);
    });

    test.each([
      ["exporter", (series: string) => series],
      [
        "collector",
        (series: string) =>
          series
            .replace(/^(portero_(?:breaker|log)_state)\{/, "$1_ratio{")
            .replace(/^(portero_upstream_call_duration)_count\{/, "$1_seconds_count{"),
      ],
    ])(
      "fires the alerts that an outage is for, and none while all is well, with the names of the %s",
      async (_, names) => {
        const firing = [...worlds].flatMap(([job, { alerts }]) =>
          alerts.map((alert) => ({ labels: `{job="${job}", alertname="${alert}"}`, value: 1 })),
        );
        const at = (minute: number) => `${minute}m`;
        const [wellUntil, end] = [at(WELL + STILL_WELL - 1), at(recording.length - 1)];
        const happened = `count_over_time(ALERTS[${end}])`;
        const tests = {
          rule_files: [join(root, "ops", "alerts.yml")],
          evaluation_interval: "30s",
          tests: [
            {
              interval: "1m",
              input_series: recording.series(names),
              promql_expr_test: [
                { expr: happened, eval_time: wellUntil, exp_samples: [] },
                {
                  expr: 'count by (job, alertname) (ALERTS{alertstate="firing"})',
                  eval_time: end,
                  exp_samples: firing,
                },
                {
                  expr: happened.replace("ALERTS", 'ALERTS{job=~"well|oneReplicaDown"}'),
                  eval_time: end,
                  exp_samples: [],
                },
              ],
            },
          ],
        };
        expect(firing.length).toBeGreaterThanOrEqual(6);
        expect(await testRules(tests)).toBe("");
      },
    );
  }),
);

describeWithPrometheus("The alerts", () => {
  test("say nothing of a blip, a process that just started or one that is idle, and see what is no outage of VerifyToken", async () => {
    const fired = 'count by (job, alertname) (count_over_time(ALERTS{alertstate="firing"}[20m]))';
    const tests = {
      rule_files: [join(root, "ops", "alerts.yml")],
      evaluation_interval: "30s",
      tests: [
        {
          interval: "1m",
          input_series: rowsByHand,
          promql_expr_test: [{ expr: fired, eval_time: "20m", exp_samples: firedByHand }],
        },
      ],
    };
    expect(await testRules(tests)).toBe("");
  });
});

/** Scrapes all of them twice: as they are, and with the names that the Collector would have given. */
function configuration(address: string, names: readonly string[]): object {
  return {
    global: { scrape_interval: "1s", scrape_timeout: "1s" },
    scrape_configs: EXPORTERS.map((job_name) => ({
      job_name,
      static_configs: names.map((instance) => ({
        targets: [address],
        labels: { __metrics_path__: `/${instance}`, instance },
      })),
      metric_relabel_configs: BY_COLLECTOR.filter(() => job_name === "collector").map((rule) => ({
        ...{ source_labels: ["__name__"], target_label: "__name__" },
        ...rule,
      })),
    })),
  };
}

/** A query, with what Grafana puts in the place of its variables. */
function filled(expr: string, job: string): string {
  return expr.replaceAll("$__rate_interval", "10s").replaceAll("$job", job).replaceAll("$instance", ".+");
}

function now(): number {
  return Date.now() / 1000;
}
