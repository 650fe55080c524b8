import { ConfigError, type ConfigProblem } from "../auth/config/config-error.js";
import { optionsFromEnv } from "../auth/config/environment.js";
import { diagnoseOptions } from "../auth/diagnosis/diagnose-options.js";
import type { AuthClientDiagnosis, DiagnosisCheck } from "../auth/diagnosis/diagnosis.js";
import { sleep } from "../runtime/abort.js";
import { readArguments, readDuration } from "./arguments.js";
import { type DoctorResult, writeReport } from "./doctor-report.js";
import { readEnvironment } from "./environment.js";
import { inVariables } from "./in-variables.js";
import { EXIT, type Io, UsageError } from "./io.js";
import { readToken } from "./token-input.js";
import { WaitingLine } from "./waiting-line.js";

/** From the end of one attempt to the next, with `--wait`, in milliseconds. */
const RETRY_EVERY_MS = 500;
const PROBLEM = "settings.problem";

type Variables = Readonly<Record<string, string | undefined>>;

/** `portero doctor`: what `client.diagnose()` finds in a client that is made from the environment. */
export async function doctor(args: readonly string[], io: Io): Promise<number> {
  try {
    return await examine(args, io);
  } catch (error) {
    if (error instanceof UsageError && args.includes("--json")) writeJson(unusable(error, io), io);
    throw error;
  }
}

async function examine(args: readonly string[], io: Io): Promise<number> {
  const given = readArguments("doctor", args, {
    env: "list",
    "env-file": "list",
    "token-stdin": "boolean",
    json: "boolean",
    wait: "string",
  });
  const waitMs = given.wait === undefined ? 0 : readDuration("--wait", given.wait);
  const { variables, notes } = await readEnvironment(io, { files: given.env, filesOfNode: given["env-file"] });
  const token = given["token-stdin"] ? await readToken(io) : undefined;
  const found = await diagnoseUntil(io.clock.monotonic() + waitMs, variables, token, io);
  const result: DoctorResult = { version: io.version, exitCode: exitCodeOf(found), notes, ...found };
  if (given.json) writeJson(result, io);
  else writeReport(result, { hasToken: token !== undefined }, io);
  return result.exitCode;
}

function writeJson(result: DoctorResult, { stdout }: Io): void {
  stdout.write(`${JSON.stringify(result, null, 2)}\n`);
}

/** The result of a command line that cannot be used. */
function unusable({ message, fix }: UsageError, { version }: Io): DoctorResult {
  const check: DiagnosisCheck = { id: PROBLEM, status: "failed", message, ...(fix !== undefined && { fix }) };
  return { version, exitCode: EXIT.settings, notes: [], status: "failed", checks: [check], durationMs: 0 };
}

/** Again and again, until all is well or the time has come. Settings do not mend themselves. */
async function diagnoseUntil(
  endsAt: number,
  variables: Variables,
  token: string | undefined,
  io: Io,
): Promise<AuthClientDiagnosis> {
  const { clock, signal } = io;
  const waiting = new WaitingLine(io);
  try {
    for (;;) {
      const diagnosis = await diagnoseOnce(variables, token, io, waiting);
      const leftMs = endsAt - clock.monotonic();
      if (exitCodeOf(diagnosis) !== EXIT.wrong || leftMs < RETRY_EVERY_MS) return diagnosis;
      const first = diagnosis.checks.find(({ status }) => status === "failed");
      waiting.show([`all to be well: ${first?.id} ${first?.message}`]);
      await sleep(clock, RETRY_EVERY_MS, signal);
    }
  } finally {
    waiting.end();
  }
}

/** With connections of its own: breakers and pauses of an attempt before say nothing of this one. */
async function diagnoseOnce(
  variables: Variables,
  token: string | undefined,
  { signal, clock }: Io,
  waiting: WaitingLine,
): Promise<AuthClientDiagnosis> {
  const begunAt = clock.monotonic();
  const options = { ...optionsFromEnv(variables), logger: false as const };
  const onWaiting = (what: readonly string[]) => waiting.show(what);
  try {
    const given = { signal, onWaiting, ...(token !== undefined && { token }) };
    const { checks, ...rest } = await diagnoseOptions(options, given);
    return { ...rest, checks: checks.map(inVariables) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const durationMs = Math.round(clock.monotonic() - begunAt);
    return { status: "failed", checks: error.problems.map(checkOf), durationMs };
  }
}

function exitCodeOf({ status, checks }: AuthClientDiagnosis): number {
  if (checks.some(({ id }) => id === PROBLEM)) return EXIT.settings;
  return status === "failed" ? EXIT.wrong : EXIT.well;
}

function checkOf({ name, value, expected, message }: ConfigProblem): DiagnosisCheck {
  const [, what = message, fix] = /^(.*); (did you mean .*)$/s.exec(message ?? "") ?? [];
  const says = what === undefined ? `${name} is ${value}` : `${name}: ${what}`;
  const instead = fix ?? (message === undefined ? expected : undefined);
  return { id: PROBLEM, status: "failed", message: says, ...(instead !== undefined && { fix: instead }) };
}
