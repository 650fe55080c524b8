import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "@jest/globals";
import { root } from "../support/workspace.js";
import { defectsOf } from "./json-schema.js";
import { type Ran, runMain } from "./run-main.js";
import type { Broken, SetUp } from "./set-up.js";

export const SCHEMA = JSON.parse(readFileSync(join(root, "schemas", "doctor.schema.json"), "utf8"));

/** Runs the doctor twice: for people, and as JSON. */
async function examine({ env, token }: SetUp): Promise<Ran & { readonly json: string }> {
  const args = token === undefined ? [] : ["--token-stdin"];
  const options = { env, ...(token !== undefined && { input: token }) };
  const json = await runMain(["doctor", "--json", ...args], options);
  const ran = await runMain(["doctor", ...args], options);
  expect({ code: json.code, json: json.stdout }).toEqual({ code: ran.code, json: json.stdout });
  for (const text of [ran.stdout, ran.stderr, json.stdout, json.stderr]) {
    if (token !== undefined) expect(text).not.toContain(token.replace(/^Bearer /, ""));
    expect(text).not.toMatch(/hunter2|hunter3|pass#word|\n\s+at /); // nor a password, nor a stack trace
  }
  expect(defectsOf(JSON.parse(json.stdout), SCHEMA)).toEqual([]);
  return { ...ran, json: json.stdout };
}

export async function expectBroken({ make, fails, says, code = 1 }: Broken): Promise<void> {
  const ran = await examine(await make());
  for (const part of says) expect(ran.stdout).toContain(part);
  expect([...idsOf(ran.json, "failed"), ...idsOf(ran.json, "warning")].sort()).toEqual([...fails].sort());
  expect(ran.code).toBe(code);
}

/** How busy this machine is decides nothing: the services are given long, by their clock, too. */
const PATIENT = { AUTH_GRPC_TIMEOUT: "20", AUTH_REST_TIMEOUT: "20" };

export async function expectWell({ env, ...others }: SetUp): Promise<Ran> {
  const ran = await examine({ env: { ...PATIENT, ...env }, ...others });
  const stderr = ran.stderr.replaceAll(/^… waiting for .*\n/gm, ""); // a busy machine takes long
  const wrong = ran.stdout.match(/^ +[✗!].*$/gm);
  expect({ code: ran.code, stderr, wrong }).toEqual({ code: 0, stderr: "", wrong: null });
  expect(ran.stdout).toContain("all is well");
  return ran;
}

/** Of the checks that have the status. */
export function idsOf(json: string, status: string): string[] {
  const { checks } = JSON.parse(json) as { checks: { id: string; status: string }[] };
  return checks.filter((check) => check.status === status).map(({ id }) => id);
}
