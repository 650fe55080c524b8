import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { tablesOf } from "../support/markdown.js";
import { root } from "../support/workspace.js";

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly legendFormat: string }[];
}

const document = textOf("docs", "observability.md");
const { panels } = JSON.parse(textOf("ops", "grafana-dashboard.json")) as { panels: readonly Panel[] };
const charts = panels.filter(({ type }) => type !== "row");
const rules = textOf("ops", "alerts.yml");

describe("the dashboard", () => {
  test("has its panels in rows that do not overlap, each with its own id", () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)} ${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(cells.filter((cell) => Number.parseInt(cell, 10) >= 24)).toEqual([]);
    expect(panels[0]?.type).toBe("row");
  });

  test("asks for what is chosen, and says what each panel shows", () => {
    const queries = charts.flatMap(({ title, targets = [] }) => targets.map((target) => ({ title, ...target })));
    const unfiltered = queries.filter(({ expr }) => !expr.includes('job=~"$job", instance=~"$instance"'));
    expect(unfiltered).toEqual([]);
    expect(charts.filter(({ description = "", targets = [] }) => description === "" || targets.length === 0)).toEqual(
      [],
    );
    // Of a metric with a unit, either exporter's name.
    const ofOneExporter = /portero_\w+_duration_|_seconds_|portero_cache_size\{|portero_(breaker|log)_state\{/;
    expect(queries.filter(({ expr }) => ofOneExporter.test(expr))).toEqual([]);
  });

  test("is explained in docs/observability.md, panel by panel", () => {
    const table = tablesOf(document).find(({ header }) => header[0] === "panel");
    const explained = table?.rows.map(([title = ""]) => title.replaceAll("**", ""));
    expect(explained).toEqual(panels.map(({ title }) => title));
  });
});

test("every alert has a runbook in docs/observability.md", () => {
  const alerts = [...rules.matchAll(/^ {6}- alert: (\w+)$/gm)].map(([, name]) => name);
  const runbooks = [...document.matchAll(/^### (Portero\w+)$/gm)].map(([, name]) => name);
  expect(alerts.length).toBe(8);
  expect(runbooks).toEqual(alerts);
});

function textOf(...path: string[]): string {
  return readFileSync(join(root, ...path), "utf8");
}
