import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { AuthServiceProcess } from "../subjects/auth-service.js";
import type { HttpServerProcess, ServerKind } from "../subjects/http-server.js";
import type { Context, Count, Figure, Findings, Ratio } from "./bench.js";
import { type LoadResult, load } from "./load.js";
import { type NodeBinary, nodes } from "./nodes.js";
import { Processes } from "./process.js";
import { inTurn } from "./rounds.js";
import { ratioOf, spreadOf } from "./spread.js";
import { signTokens } from "./tokens.js";

const USERS = 100;
const CONNECTIONS = 64;
const ROUNDS = 5;

interface Sample extends LoadResult {
  /** The server's CPU time for one request. */
  readonly cpuMicros: number;
}

/** A server and the one that it is held against, by throughput. */
export interface Comparison {
  readonly of: ServerKind;
  readonly with: ServerKind;
  /** Without a target the ratio is shown and no more. */
  readonly atLeast?: number;
}

/** What the servers are put under: the users in turn on every connection, or one on each. */
export interface HttpLoad {
  readonly users: "mixed" | "one each";
  readonly kinds: readonly ServerKind[];
  readonly comparisons: readonly Comparison[];
}

/** Puts servers of several kinds under the same loads, in turn, on each version of Node; in a quick run under the first load. */
export async function compareServers(loads: readonly HttpLoad[], context: Context): Promise<Findings> {
  const figures: Figure[] = [];
  const ratios: Ratio[] = [];
  const counts: Count[] = [];
  for (const node of await nodes(context)) {
    for (const load of context.quick ? loads.slice(0, 1) : loads) {
      const where = load.users === "mixed" ? node.name : `${node.name}, a user for each connection`;
      const { samples, asked } = await loadServers(load, node, context);
      const of = (kind: ServerKind, value: (sample: Sample) => number) => (samples[kind] ?? []).map(value);
      for (const kind of load.kinds) {
        const subject = `${kind}, ${where}`;
        figures.push(
          { subject, what: "requests/s", spread: spreadOf(of(kind, throughput)) },
          { subject, what: "CPU of the server, µs/request", spread: spreadOf(of(kind, cpu)) },
          { subject, what: "p99, ms", spread: spreadOf(of(kind, ({ p99 }) => p99)) },
        );
        const failed = of(kind, (sample) => sample.failed).reduce((sum, each) => sum + each, 0);
        counts.push({ what: `requests that failed: ${subject}`, is: failed, target: { exactly: 0 } });
      }
      for (const { of: ours, with: theirs, atLeast } of load.comparisons) {
        ratios.push({
          what: `requests/s of ${ours} / ${theirs}, ${where}`,
          spread: ratioOf(of(ours, throughput), of(theirs, throughput)),
          ...(atLeast !== undefined && { target: { atLeast } }),
        });
        ratios.push({
          what: `CPU of ${ours} / ${theirs}, ${where}`,
          spread: ratioOf(of(ours, cpu), of(theirs, cpu)),
        });
      }
      counts.push({
        what: `questions to the auth service about ${USERS} users: ${where}`,
        is: asked,
        target: { atMost: USERS },
      });
    }
  }
  return { figures, ratios, counts };
}

const throughput = ({ perSecond }: Sample) => perSecond;
const cpu = ({ cpuMicros }: Sample) => cpuMicros;

async function loadServers({ kinds, users }: HttpLoad, { path: node, name }: NodeBinary, context: Context) {
  const { tokens, publicKey, jwks } = await signTokens(USERS);
  const authorizations = tokens.map((token) => `Bearer ${token}`);
  const keys = createServer((_request, response) => response.end(JSON.stringify(jwks))).listen(0, "127.0.0.1");
  await once(keys, "listening");
  const jwksUri = `http://127.0.0.1:${(keys.address() as AddressInfo).port}/`;
  keys.unref();
  await using processes = new Processes();
  const service = await processes.launch<AuthServiceProcess>(new URL("../subjects/auth-service.ts", import.meta.url));
  const { grpc: grpcUrl } = await service.call("urls");
  const loads = new Map<ServerKind, (seconds: number) => Promise<Sample>>();
  for (const kind of kinds) {
    const server = await processes.launch<HttpServerProcess>(
      new URL("../subjects/http-server.ts", import.meta.url),
      { kind, grpcUrl, jwksUri, publicKey },
      { node, env: { NODE_ENV: "production" } },
    );
    const url = await server.call("url");
    loads.set(kind, async (seconds) => {
      const before = await server.call("cpuMicros");
      const result = await load({ url, authorizations, users, connections: CONNECTIONS, seconds });
      return { ...result, cpuMicros: ((await server.call("cpuMicros")) - before) / result.requests };
    });
  }
  const { seconds, warmUpSeconds, rounds } = context.quick
    ? { seconds: 0.5, warmUpSeconds: 0.5, rounds: 1 }
    : { seconds: 3, warmUpSeconds: 3, rounds: ROUNDS };
  for (const [kind, run] of loads) {
    context.progress(`${name}: warming up ${kind}`);
    await run(warmUpSeconds);
  }
  const subjects = Object.fromEntries([...loads].map(([kind, run]) => [kind, () => run(seconds)]));
  const progress = (text: string) => context.progress(`${name}, users ${users}: ${text}`);
  const samples = (await inTurn(subjects, rounds, { progress })) as Partial<Record<ServerKind, Sample[]>>;
  return { samples, asked: (await service.call("takeTraffic")).grpc };
}
