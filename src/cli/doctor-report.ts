import type { AuthClientDiagnosis, DiagnosisCheck } from "../auth/diagnosis/diagnosis.js";
import { EXIT, type Io } from "./io.js";
import { type Style, styleFor } from "./style.js";

/** What `--json` writes: schemas/doctor.schema.json. */
export interface DoctorResult extends AuthClientDiagnosis {
  /** Of the package. */
  readonly version: string;
  readonly exitCode: number;
  /** Where the variables came from, as far as a reader should know it. */
  readonly notes: readonly string[];
}

/** The parts of a diagnosis, by what their checks' ids begin with. */
const TITLES: Readonly<Record<string, string>> = {
  settings: "Settings",
  grpc: "gRPC",
  rest: "REST",
  redis: "Redis",
  store: "Shared cache",
  answers: "The token",
};

/** Writes what was found for people: a line for each check, a sign before it, and an arrow where something can be done. */
export function writeReport(result: DoctorResult, { hasToken }: { readonly hasToken: boolean }, io: Io): void {
  const style = styleFor(io, io.stdout);
  const lines: string[] = [];
  let part = "";
  for (const check of result.checks) {
    const of = check.id.split(".", 1)[0] ?? "";
    if (of !== part) lines.push(style.strong(TITLES[of] ?? of));
    part = of;
    lines.push(...linesOf(check, style));
  }
  for (const note of result.notes) lines.push(style.faint(`note: ${note}`));
  lines.push("", summaryOf(result, hasToken, style));
  io.stdout.write(`${lines.join("\n")}\n`);
}

function linesOf({ status, message, fix }: DiagnosisCheck, style: Style): string[] {
  const sign = { ok: style.good("✓"), warning: style.doubtful("!"), failed: style.bad("✗"), skipped: style.faint("–") };
  const text = status === "skipped" ? style.faint(message) : message;
  return [`  ${sign[status]} ${text}`, ...(fix === undefined ? [] : [`    ${style.strong("→")} ${fix}`])];
}

function summaryOf({ checks, exitCode, durationMs }: DoctorResult, hasToken: boolean, style: Style): string {
  const count = (status: DiagnosisCheck["status"]) => checks.filter((check) => check.status === status).length;
  const named = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`;
  const [failed, warnings] = [count("failed"), count("warning")];
  const seconds = `${(durationMs / 1000).toFixed(1)} s`;
  if (exitCode === EXIT.settings) return style.bad(`${named(failed, "setting")} to mend before anything can be asked`);
  if (failed > 0) return style.bad(`${named(failed, "thing")} wrong, ${named(warnings, "warning")}, in ${seconds}`);
  const more = hasToken ? "" : "; with a token, more can be told: --token-stdin";
  const well =
    warnings > 0 ? style.doubtful(`it works, with ${named(warnings, "warning")}`) : style.good("all is well");
  return `${well}, in ${seconds}${style.faint(more)}`;
}
