import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuthServiceProcess } from "../subjects/auth-service.js";
import type { HttpServerProcess, ServerKind } from "../subjects/http-server.js";
import type { Context, Count, Figure, Findings, Ratio } from "./bench.js";
import { intervalOf, intervalOfRatio } from "./interval.js";
import { type LoadResult, load } from "./load.js";
import { type NodeBinary, nodes } from "./nodes.js";
import { Processes } from "./process.js";
import { signTokens } from "./signed-tokens.js";
import type { TurnSamples } from "./turns.js";

const CONNECTIONS = 64;
/** Requests that one kind of server gets before the next has its turn, and those of them that are measured. */
const TURN = { turn: 320, settling: CONNECTIONS };
const ROUNDS = 60;
const WARM_UP_ROUNDS = 15;
/** A load lasts so long, and the next one begins, until there are rounds enough. */
const LOAD_SECONDS = 5;

/** What the server is put under: the users in turn on every connection, or one on each. */
export interface HttpLoad {
  readonly users: number | "one each";
  readonly kinds: readonly ServerKind[];
  readonly comparisons: readonly Comparison[];
}

/** A kind of server, and how much of the other's CPU per request it takes at most: 0.9 of bare is 1 / 0.9 of its CPU. */
export interface Comparison {
  readonly of: ServerKind;
  readonly with: ServerKind;
  /** For `CPU of with / CPU of of`, by the version of Node; without a target the ratio is shown and no more. */
  readonly atLeast?: Readonly<Record<string, number>>;
}

/**
 * One server that is each kind in turn, for a few hundred requests: servers in processes of their own differ by chance more than what is
 * looked for. In a quick run under the first load.
 */
export async function compareServers(loads: readonly HttpLoad[], context: Context): Promise<Findings> {
  const figures: Figure[] = [];
  const ratios: Ratio[] = [];
  const counts: Count[] = [];
  for (const node of await nodes(context)) {
    for (const load of context.quick ? loads.slice(0, 1) : loads) {
      const where = `${node.name}, ${load.users === "one each" ? "a user for each connection" : users(load.users)}`;
      const { samples, failed, asked, tokens } = await takeTurns(load, node, where, context);
      for (const kind of load.kinds) {
        const spread = intervalOf(samples[kind] ?? []);
        figures.push({ subject: `${kind}, ${where}`, what: "CPU of the server, µs/request", spread });
      }
      for (const { of: ours, with: theirs, atLeast } of load.comparisons) {
        const least = atLeast?.[node.name];
        ratios.push({
          what: `CPU of ${theirs} / ${ours}, ${where}`,
          spread: intervalOfRatio(samples[theirs] ?? [], samples[ours] ?? []),
          ...(least !== undefined && { target: { atLeast: least } }),
        });
      }
      counts.push(
        { what: `requests that failed: ${where}`, is: failed, target: { exactly: 0 } },
        { what: `questions to the auth service: ${where}`, is: asked, target: { exactly: tokens } },
      );
    }
  }
  return { figures, ratios, counts };
}

function users(count: number): string {
  return `${count.toLocaleString("en-US")} users`;
}

interface TurnsTaken {
  readonly samples: TurnSamples<ServerKind>;
  readonly failed: number;
  /** Questions that came to the auth service, and the tokens that there were. */
  readonly asked: number;
  readonly tokens: number;
}

async function takeTurns(
  { kinds, users: given }: HttpLoad,
  { path: node }: NodeBinary,
  where: string,
  { quick, progress }: Context,
): Promise<TurnsTaken> {
  const count = given === "one each" ? CONNECTIONS : quick ? Math.min(given, CONNECTIONS) : given;
  progress(`${where}: signing tokens`);
  const { tokens, publicKey, jwks } = await signTokens(count);
  const folder = await mkdtemp(join(tmpdir(), "portero-bench-"));
  const keys = createServer((_request, response) => response.end(JSON.stringify(jwks))).listen(0, "127.0.0.1");
  await once(keys, "listening");
  const jwksUri = `http://127.0.0.1:${(keys.address() as AddressInfo).port}/`;
  await using processes = new Processes();
  try {
    const tokensFile = join(folder, "tokens");
    await writeFile(tokensFile, tokens.join("\n"));
    const service = await processes.launch<AuthServiceProcess>(new URL("../subjects/auth-service.ts", import.meta.url));
    const { grpc: grpcUrl } = await service.call("urls");
    const server = await processes.launch<HttpServerProcess>(
      new URL("../subjects/http-server.ts", import.meta.url),
      { kinds, grpcUrl, jwksUri, publicKey, tokensFile, ...TURN },
      { node, env: { NODE_ENV: "production" } },
    );
    const url = await server.call("url");
    const results: LoadResult[] = [];
    const until = async (rounds: number) => {
      for (;;) {
        const done = await server.call("rounds");
        progress(`${where}: round ${Math.min(done, rounds)} of ${rounds}`);
        if (done >= rounds) return;
        const mode = given === "one each" ? "one each" : "mixed";
        const authorizations = tokens.map((token) => `Bearer ${token}`);
        const seconds = quick ? 1 : LOAD_SECONDS;
        results.push(await load({ url, authorizations, users: mode, connections: CONNECTIONS, seconds }));
      }
    };
    if (!quick) await until(WARM_UP_ROUNDS);
    await server.call("forget");
    await until(quick ? 1 : ROUNDS);
    return {
      samples: await server.call("samples"),
      failed: results.reduce((sum, { failed }) => sum + failed, 0),
      asked: (await service.call("takeTraffic")).grpc,
      tokens: count,
    };
  } finally {
    keys.close();
    await rm(folder, { recursive: true });
  }
}
