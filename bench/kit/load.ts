import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import autocannon from "autocannon";

export interface LoadOptions {
  readonly url: string;
  /** The requests' `Authorization` headers, in turn. */
  readonly authorizations: readonly string[];
  /** `mixed`: every connection sends those of all users; `one each`: always the same. */
  readonly users: "mixed" | "one each";
  readonly connections: number;
  /** wrk knows whole seconds alone: rounded up. */
  readonly seconds: number;
}

/** What a load has seen. Latencies in milliseconds. */
export interface LoadResult {
  readonly requests: number;
  readonly perSecond: number;
  /** Answers that were not 2xx, and requests without an answer. */
  readonly failed: number;
  readonly p50: number;
  readonly p99: number;
}

/** wrk takes less of the machine for itself; without it autocannon does the work. */
export const generator = spawnSync("wrk", ["--version"]).error ? "autocannon" : "wrk";

/** Puts a server under load, from outside of its process. */
export function load(options: LoadOptions): Promise<LoadResult> {
  return generator === "wrk" ? loadWithWrk(options) : loadWithAutocannon(options);
}

async function loadWithAutocannon({
  url,
  authorizations,
  users,
  connections,
  seconds,
}: LoadOptions): Promise<LoadResult> {
  const requests = authorizations.map((authorization) => ({ headers: { authorization } }));
  let made = 0;
  const setupClient = (client: autocannon.Client) => {
    if (users === "one each") client.setRequests([requests[made++ % requests.length]!]);
  };
  const result = await autocannon({ url, connections, duration: seconds, requests, setupClient });
  return {
    requests: result.requests.total,
    perSecond: result.requests.average,
    failed: result.non2xx + result.errors + result.timeouts,
    p50: result.latency.p50,
    p99: result.latency.p99,
  };
}

/** A thread of wrk does not know which connection it writes to: with one user each, so is the thread. */
async function loadWithWrk({ url, authorizations, users, connections, seconds }: LoadOptions): Promise<LoadResult> {
  const folder = await mkdtemp(join(tmpdir(), "portero-bench-"));
  try {
    const script = join(folder, "load.lua");
    const lines = join(folder, "authorizations"); // a script cannot hold so many constants
    await writeFile(lines, authorizations.join("\n"));
    await writeFile(script, luaScript(lines, users));
    const threads = users === "mixed" ? 1 : connections;
    const duration = `${Math.ceil(seconds)}s`;
    const flags = ["--threads", String(threads), "--connections", String(connections), "--duration", duration];
    const { stdout } = await promisify(execFile)("wrk", [...flags, "--script", script, url]);
    const { requests, micros, failed, p50, p99 } = JSON.parse(stdout.slice(stdout.lastIndexOf("\n{")));
    return { requests, perSecond: requests / (micros / 1e6), failed, p50: p50 / 1000, p99: p99 / 1000 };
  } finally {
    await rm(folder, { recursive: true });
  }
}

function luaScript(file: string, users: LoadOptions["users"]): string {
  return `
local threads = 0
function setup(thread)
  thread:set("at", threads)
  threads = threads + 1
end
local requests = {}
function init()
  for authorization in io.lines(${JSON.stringify(file)}) do
    requests[#requests + 1] = wrk.format("GET", nil, { ["Authorization"] = authorization })
  end
end
function request()
  ${users === "mixed" ? "at = at + 1" : ""}
  return requests[at % #requests + 1]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('\\n{"requests":%d,"micros":%d,"failed":%d,"p50":%f,"p99":%f}\\n', summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.timeout + errors.status, latency:percentile(50), latency:percentile(99)))
end
`;
}
