import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { eventually } from "../support/eventually.js";
import { listen } from "../support/listen.js";
import { describeWith, type Need } from "../support/needs.js";
import { temporaryFolder } from "../support/workspace.js";

/** Another process may take a free port before Prometheus does. */
const PORTS_TO_TRY = 5;
const PROMETHEUS: Need = {
  what: "prometheus",
  isThere: ["prometheus", "promtool"].every((name) => spawnSync(name, ["--version"]).status === 0),
  variable: "PORTERO_REQUIRE_PROMETHEUS",
  missing:
    "the dashboard and the alerts are not tested: prometheus is not installed (Debian: apt-get install prometheus)",
};

/** See {@link describeWith}. */
export function describeWithPrometheus(name: string, tests: () => void): void {
  describeWith(PROMETHEUS, name, tests);
}

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  /** One for each step at which there was one. */
  readonly values: readonly number[];
}

export interface Prometheus {
  /** All that a query gives from one moment to another, both in seconds since the epoch. */
  query(expression: string, from: number, to: number): Promise<readonly Series[]>;
  close(): Promise<void>;
}

/** Prometheus on a free port of this machine, with an empty store. `config` is JSON, which is YAML too. */
export async function startPrometheus(config: object): Promise<Prometheus> {
  const folder = temporaryFolder();
  writeFileSync(join(folder.path, "prometheus.yml"), JSON.stringify(config));
  for (let attempt = 1; ; attempt++) {
    const url = `127.0.0.1:${await freePort()}`;
    const child = spawn(
      "prometheus",
      ["--config.file=prometheus.yml", "--storage.tsdb.path=data", `--web.listen-address=${url}`, "--log.level=error"],
      { cwd: folder.path, stdio: ["ignore", "ignore", "pipe"] },
    );
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const ended = once(child, "close");
    const isReady = () =>
      fetch(`http://${url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    await eventually(async () => child.exitCode !== null || (await isReady()), "Prometheus is ready");
    if (child.exitCode === null) {
      const close = async () => {
        child.kill("SIGKILL");
        await ended;
        folder.remove();
      };
      return { query: (expression, from, to) => query(`http://${url}`, expression, from, to), close };
    }
    if (attempt >= PORTS_TO_TRY || !said.includes("address already in use")) throw new Error(said);
  }
}

async function query(url: string, expression: string, from: number, to: number): Promise<Series[]> {
  const body = new URLSearchParams({ query: expression, start: String(from), end: String(to), step: "0.25" });
  const response = await fetch(`${url}/api/v1/query_range`, { method: "POST", body });
  const { status, error, data } = (await response.json()) as {
    status: string;
    error?: string;
    data: { result: { metric: Record<string, string>; values: [number, string][] }[] };
  };
  if (status !== "success") throw new Error(`${expression}: ${error}`);
  return data.result.map(({ metric, values }) => ({
    labels: metric,
    values: values.map(([, value]) => Number(value)),
  }));
}

/** What `promtool test rules` says of a file of tests: nothing, where all is as expected. */
export async function testRules(tests: object): Promise<string> {
  const folder = temporaryFolder();
  try {
    writeFileSync(join(folder.path, "tests.yml"), JSON.stringify(tests));
    const { stdout, stderr } = await promisify(execFile)("promtool", ["test", "rules", "tests.yml"], {
      cwd: folder.path,
    }).catch((error: { stdout: string; stderr: string }) => error);
    return `${stdout}${stderr}`.replace(/^Unit Testing: .*$|^ +SUCCESS$/gm, "").trim();
  } finally {
    folder.remove();
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, "close");
  return port;
}
