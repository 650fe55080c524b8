import { parseArgs } from "node:util";
import { nearest } from "../auth/config/nearest.js";
import { UsageError } from "./io.js";

/** An option of a command: with a value, or without one. */
export type OptionKind = "string" | "list" | "boolean";

export type Given<O extends Readonly<Record<string, OptionKind>>> = {
  readonly [K in keyof O]: O[K] extends "boolean"
    ? boolean
    : O[K] extends "list"
      ? readonly string[]
      : string | undefined;
};

/**
 * Reads the options of a command. What is wrong is told without the value that was given: it may be a token.
 *
 * @throws UsageError
 */
export function readArguments<const O extends Readonly<Record<string, OptionKind>>>(
  command: string,
  args: readonly string[],
  declared: O,
): Given<O> {
  const help = `npx portero ${command} --help`;
  const options = Object.fromEntries(
    Object.entries(declared).map(([name, kind]) => [
      name,
      { type: kind === "boolean" ? kind : "string", multiple: true },
    ]),
  ) as Record<string, { type: "string" | "boolean"; multiple: true }>;
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  const given: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries(declared))
    given[name] = kind === "boolean" ? false : kind === "list" ? [] : undefined;
  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") throw new UsageError(`${command} takes options alone`, help);
    const { name, value, rawName } = token;
    if (!Object.hasOwn(declared, name)) throw unknown(command, name, Object.keys(declared));
    const kind = declared[name] as OptionKind;
    if (kind === "boolean") {
      if (value !== undefined) throw new UsageError(`${rawName} takes no value`, help);
      given[name] = true;
      continue;
    }
    if (value === undefined || value === "") throw new UsageError(`${rawName} takes a value`, help);
    if (kind === "list") (given[name] as string[]).push(value);
    else if (given[name] !== undefined) throw new UsageError(`${rawName} is given twice`, help);
    else given[name] = value;
  }
  return given as Given<O>;
}

/** A whole number. @throws UsageError */
export function readPort(option: string, value: string | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65_535) throw new UsageError(`${option} takes a port, 0 to 65535`);
  return Number(value);
}

/** `30s`, `500ms`, `2m`, or seconds, in milliseconds. @throws UsageError */
export function readDuration(option: string, value: string): number {
  const [, digits, unit = "s"] = /^(\d{1,6}(?:\.\d{1,3})?)(ms|s|m)?$/.exec(value) ?? [];
  if (digits === undefined) throw new UsageError(`${option} takes a time`, `${option} 30s, or 500ms, or 2m`);
  return Number(digits) * (unit === "ms" ? 1 : unit === "s" ? 1000 : 60_000);
}

function unknown(command: string, name: string, known: readonly string[]): UsageError {
  if (!/^[a-z][a-z-]{0,20}$/.test(name))
    return new UsageError(`${command} has no such option`, `npx portero ${command} --help`);
  if (name === "token" && known.includes("token-stdin")) {
    return new UsageError(
      "a token does not belong into a command line, which every process of this machine can read",
      'printf %s "$TOKEN" | npx portero doctor --token-stdin',
    );
  }
  const meant = nearest(name, known);
  return new UsageError(
    `${command} has no option --${name}${meant === undefined ? "" : `; did you mean --${meant}?`}`,
    `npx portero ${command} --help`,
  );
}
