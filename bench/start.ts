import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Bench, Count, Figure, Ratio } from "./kit/bench.js";
import { nodes } from "./kit/nodes.js";
import { inTurn } from "./kit/rounds.js";
import { ratioOf, spreadOf } from "./kit/spread.js";

const ROUNDS = 41;
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CONNECT = ["@connectrpc/connect", "@connectrpc/connect-node"];
const SUBJECTS = {
  "connect-node, import": { format: "module", packages: CONNECT },
  "portero, import": { format: "module", packages: ["portero"] },
  "connect-node, require": { format: "commonjs", packages: CONNECT },
  "portero, require": { format: "commonjs", packages: ["portero"] },
} as const;
type Subject = (typeof SUBJECTS)[keyof typeof SUBJECTS];

/** In milliseconds. */
interface Sample {
  /** Of the import alone. */
  readonly wall: number;
  readonly cpu: number;
  /** Of the process, from its launch to its end. */
  readonly process: number;
}

export const start: Bench = {
  name: "start",
  question: 'What does `import "portero"` add to the start of a process that speaks gRPC?',
  setup:
    "Fresh processes in turn, which import portero, or @connectrpc/connect and @connectrpc/connect-node alone, as ES modules and as CommonJS. " +
    "CPU is that of all threads of the process while it imports.",
  async run(context) {
    const figures: Figure[] = [];
    const ratios: Ratio[] = [];
    const counts: Count[] = [];
    for (const { name: node, path } of await nodes(context)) {
      const subjects = Object.fromEntries(
        Object.entries(SUBJECTS).map(([name, subject]) => [name, () => measure(path, subject)]),
      );
      if (!context.quick) for (const subject of Object.values(subjects)) await subject(); // the files come from the disk once
      const samples = await inTurn(subjects, context.quick ? 1 : ROUNDS, context);
      const of = (name: string, value: keyof Sample) => samples[name]!.map((sample) => sample[value]);
      for (const name of Object.keys(SUBJECTS)) {
        const subject = `${name}, ${node}`;
        figures.push(
          { subject, what: "import, ms", spread: spreadOf(of(name, "wall")) },
          { subject, what: "CPU of the import, ms", spread: spreadOf(of(name, "cpu")) },
          { subject, what: "whole process, ms", spread: spreadOf(of(name, "process")) },
        );
      }
      for (const way of ["import", "require"] as const) {
        const compare = (value: keyof Sample) =>
          ratioOf(of(`portero, ${way}`, value), of(`connect-node, ${way}`, value));
        ratios.push(
          { what: `${way} of portero / connect-node, ${node}`, spread: compare("wall"), target: { atMost: 1.3 } },
          { what: `CPU of the ${way} of portero / connect-node, ${node}`, spread: compare("cpu") },
        );
        counts.push({
          what: `packages that a process may never need, loaded by the ${way}, ${node}`,
          is: await loadedTooSoon(path, SUBJECTS[`portero, ${way}`]),
          target: { exactly: 0 },
        });
      }
    }
    return { figures, ratios, counts };
  },
};

/** Runs a script in a fresh process, and reads what it prints. `load()` imports the packages. */
async function run<T>(
  node: string,
  format: "module" | "commonjs",
  packages: readonly string[],
  script: string,
): Promise<T> {
  const load =
    format === "module"
      ? `Promise.all([${packages.map((name) => `import("${name}")`).join(", ")}])`
      : `[${packages.map((name) => `require("${name}")`).join(", ")}]`;
  const main = `(async () => { const load = async () => ${load};${script}})()`;
  const { stdout } = await promisify(execFile)(node, [`--input-type=${format}`, "--eval", main], { cwd: ROOT });
  return JSON.parse(stdout) as T;
}

const TIMED = `
  const cpuBefore = process.cpuUsage();
  const started = performance.now();
  await load();
  const wall = performance.now() - started;
  const { user, system } = process.cpuUsage(cpuBefore);
  process.stdout.write(JSON.stringify({ wall, cpu: (user + system) / 1000 }));`;

async function measure(node: string, { format, packages }: Subject): Promise<Sample> {
  const launched = performance.now();
  const sample = await run<Omit<Sample, "process">>(node, format, packages, TIMED);
  return { ...sample, process: performance.now() - launched };
}

/** What only some processes need, and those not at once. */
const LATER = ["got", "keyv", "@keyv/redis", "@redis/client", "express", "koa"];
const LISTED = `
  const { Session } = await import("node:inspector");
  const session = new Session();
  const urls = [];
  session.connect();
  session.on("Debugger.scriptParsed", ({ params }) => urls.push(params.url));
  session.post("Debugger.enable");
  await load();
  process.stdout.write(JSON.stringify(urls));`;

/** Which of the packages that can wait were loaded all the same. */
async function loadedTooSoon(node: string, { format, packages }: Subject): Promise<number> {
  const urls = await run<string[]>(node, format, packages, LISTED);
  return LATER.filter((name) => urls.some((url) => url.includes(`/node_modules/${name}/`))).length;
}
