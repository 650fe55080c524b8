import type { Figure } from "../kit/bench.js";
import { countList, figureTable, plotList, provenance, ratioList } from "../kit/chapter.js";
import { tableOf } from "../kit/markdown.js";
import { formatNumber } from "../kit/numbers.js";
import type { BenchResult } from "../kit/results.js";
import { fleetSetup } from "./fleet-check.js";
import { JITTERED, loadOf, REFRESHED_BY, REFRESHED_FROM, sharesOf } from "./fleet-model.js";
import { growthSetup, isGrowth } from "./growth.js";

/** As portero has them. */
const DEFAULTS = { ttlMs: 300_000, processTtlMs: 30_000, maxEntries: 20_000 };
const EXAMPLES = [
  { processes: 4, requestsPerSecond: 1000, users: 10_000 },
  { processes: 4, requestsPerSecond: 10_000, users: 10_000 },
  { processes: 20, requestsPerSecond: 10_000, users: 10_000 },
  { processes: 20, requestsPerSecond: 10_000, users: 200_000 },
  { processes: 100, requestsPerSecond: 100_000, users: 200_000 },
];

/** docs/capacity.md: every number in it was measured, or follows from the model. `undefined` while the fleet was not measured. */
export function capacityPage(results: readonly BenchResult[]): string | undefined {
  const capacity = results.find(({ name }) => name === "capacity");
  if (!capacity || capacity.figures.length === 0) return undefined;
  const { figures, ratios, measured } = capacity;
  const { machine, node } = measured;
  return `${[
    "# Capacity",
    "`npm run bench` wrote this page and writes it anew, from what the benches of [performance](performance.md) measured " +
      `(${machine}, Node ${node} where no other is named), and from formulas that are checked below.`,
    "## One process",
    tableOf(["", "measured"], oneProcess(results)),
    "## One process as it grows",
    growthSetup,
    figureTable(figures.filter(({ subject }) => isGrowth(subject))),
    plotList(capacity),
    "## The arithmetic of a fleet",
    FORMULAS,
    "## The arithmetic, checked",
    fleetSetup,
    checked(figures),
    "## Examples",
    `With the defaults – \`ttlMs\` ${DEFAULTS.ttlMs / 1000} s, \`processTtlMs\` ${DEFAULTS.processTtlMs / 1000} s – and users who all come ` +
      "equally often. That is the dearest case: where few users make most of the requests, the service and Redis are asked less.",
    examples(results),
    "## Held against targets",
    ratioList(ratios),
    countList(capacity),
    provenance(capacity),
  ].join("\n\n")}\n`;
}

/** A bench's figure; `undefined` where the bench was not measured. */
type Find = (bench: string, subject: string, what: string) => number | undefined;

function finder(results: readonly BenchResult[]): Find {
  return (bench, subject, what) => {
    const figures = results.find(({ name }) => name === bench)?.figures ?? [];
    const figure = figures.find((each) => each.subject === subject && each.what === what);
    if (figures.length > 0 && !figure) throw new Error(`bench ${bench} has no figure "${what}" of "${subject}"`);
    return figure?.spread.median;
  };
}

/** The versions of Node that the servers ran on. */
function nodesOf(results: readonly BenchResult[]): string[] {
  const figures = results.find(({ name }) => name === "hit-http")?.figures ?? [];
  return [...new Set(figures.flatMap(({ subject }) => /^portero, (Node \d+), 1,000 users$/.exec(subject)?.[1] ?? []))];
}

function oneProcess(results: readonly BenchResult[]): string[][] {
  const find = finder(results);
  const rows: [string, number | undefined, (value: number) => string][] = [
    ["heap of a cached user", find("memory", "verified token", "bytes"), (bytes) => `${formatNumber(bytes)} bytes`],
    [
      `heap of ${formatNumber(DEFAULTS.maxEntries)} users, as many as \`cache.maxEntries\` allows`,
      find("memory", "verified token", "bytes"),
      (bytes) => mebibytes(bytes * DEFAULTS.maxEntries),
    ],
    [
      "heap of 1,000,000 users, if it is allowed",
      find("capacity", "1,000,000 entries", "bytes/entry"),
      (bytes) => mebibytes(bytes * 1e6),
    ],
    ["a cached user", find("hit", "requireAuth(), another user", "ns"), (nanos) => `${formatNumber(nanos)} ns`],
    ...nodesOf(results).map((node): (typeof rows)[number] => [
      `requests of cached users, in Express 5, ${node}, by the CPU of one core`,
      find("hit-http", `portero, ${node}, 1,000 users`, "CPU of the server, µs/request"),
      perSecond,
    ]),
    [
      "verifications over gRPC, by the CPU of one core",
      find("cold-grpc", "portero", "CPU of the client, µs, 32 in flight"),
      perSecond,
    ],
    [
      "tokens that only Redis knows, by the CPU of one core",
      find("shared-hit", "portero", "CPU of the client, µs, 32 in flight"),
      perSecond,
    ],
  ];
  return rows.flatMap(([what, value, show]) => (value === undefined ? [] : [[what, show(value)]]));
}

const LIFE = formatNumber(((REFRESHED_FROM + REFRESHED_BY) / 2) * JITTERED);
const EARLIEST = formatNumber(REFRESHED_FROM * JITTERED);
const WINDOW = formatNumber((REFRESHED_BY - REFRESHED_FROM) * JITTERED);
const LATE = formatNumber((1 - REFRESHED_BY) * JITTERED);
const FORMULAS = `N processes, together R requests/s, from U distinct users (tokens) who all come equally often; T is \`cache.ttlMs\` and P
\`cache.processTtlMs\`, in seconds, P at most half of T. A TTL is up to 10 % shorter, at random, ${JITTERED} of it in the mean; an entry is
renewed by the first request after a point between ${REFRESHED_FROM} and ${REFRESHED_BY} of its TTL, which each process draws for itself. So a process alone
asks for it once per ${LIFE} T and the time until that request, N·U/R. With a shared cache the fleet asks for it once, and the process
whose request is the first past its point does: the more processes and requests, the nearer to ${EARLIEST} T.

| per second | |
|---|---|
| upstream calls, without a shared cache | N·U / (${LIFE} T + N·U/R) |
| upstream calls, with it | U / c, where c = ${EARLIEST} T + ${WINDOW} T · m + s(1) · U/R, with s(x) = (1 − x + (1 − e^(−n·x)) / n)^N, n = ${WINDOW} T·R / (N·U), and m the mean of s from 0 to 1 |
| looks into Redis | N·U · (1 + h·p/2c) / (p + N·U/R) + U · (1 − h) · (1 − s(1) · e^(−${LATE} T·R/U)) / c, where p = ${JITTERED} P is an entry's stay in the process and h = p / (p + N·U/R) the share of time in which the process holds it |
| \`MGET\` | as many as looks: the entry and the mark that there are invalidated users, in one. While that mark is there (for a day after an invalidation) one more, for the user's own, comes with each |
| \`SET\` | as many as upstream calls |
| \`UNLINK\` | N / 10 at most, from processes that have heard nothing for 10 s |

The first part of the looks is the renewal of what a process holds: once per stay and the wait for the next request, and a renewal in the
fleet cuts the stay that it meets by half. The second: a process that renews an entry may have found the old one in Redis first. Without
the shared cache more processes mean more calls; with it the calls are nearly the same however many there are. At most R calls/s come to the
service, whatever the TTLs.

Memory: a process holds U · ${LIFE} T / (${LIFE} T + N·U/R) entries that still serve, with Redis U · h; Redis holds U. \`cache.maxEntries\` and
\`cache.maxBytes\` must have room for those of a process – above ${formatNumber(DEFAULTS.maxEntries)} they must be set – or entries go before their time, and the
service or Redis is asked more often than the formulas say. What serves no more stays until its room is needed.`;

function checked(figures: readonly Figure[]): string {
  const rows = figures.flatMap(({ subject, what, spread: { median: computed } }) => {
    if (!what.endsWith(COMPUTED)) return [];
    const name = what.slice(0, -COMPUTED.length);
    const measured = figures.find((other) => other.subject === subject && other.what === `${name}, measured`);
    if (!measured) return [];
    const { median } = measured.spread;
    return [[subject, name, formatNumber(computed), formatNumber(median), formatNumber(median / computed)]];
  });
  return tableOf(["fleet", "", "computed", "measured", "measured / computed"], rows);
}

const COMPUTED = ", computed";

function examples(results: readonly BenchResult[]): string {
  const heap = finder(results)("memory", "verified token", "bytes");
  const capacity = results.find(({ name }) => name === "capacity");
  const inRedis = capacity?.figures.find(({ what }) => what === "bytes in Redis/user")?.spread.median;
  const rows = EXAMPLES.map(({ users, ...example }) => {
    const load = loadOf({ ...DEFAULTS, ...example, shares: sharesOf({ users, distribution: "uniform" }) });
    const entries = (held: number) => (heap === undefined ? "" : `, ${mebibytes(heap * held)}`);
    return [
      ...[example.processes, example.requestsPerSecond, users].map(formatNumber),
      ...[load.upstreamAlone, load.upstreamShared, load.redisLooks + load.redisSets].map(formatNumber),
      ...[load.heldAlone, load.heldShared].map((held) => `${formatNumber(held)}${entries(held)}`),
      inRedis === undefined ? "–" : mebibytes(inRedis * users),
    ];
  });
  const head = [
    ...["N", "R", "U", "upstream calls/s without Redis", "with Redis", "Redis operations/s"],
    ...["held by a process without Redis", "with it", "in Redis"],
  ];
  return tableOf(head, rows);
}

function mebibytes(bytes: number): string {
  return `${formatNumber(bytes / 2 ** 20)} MiB`;
}

function perSecond(micros: number): string {
  return `${formatNumber(1e6 / micros)}/s`;
}
