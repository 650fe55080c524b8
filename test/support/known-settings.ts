import { readConfig } from "../../src/auth/config/config.js";
import { keysOf, type NumberSetting, settingsIn } from "../../src/auth/config/declaration.js";
import { SETTINGS } from "../../src/auth/config/settings.js";
import { type AuthClientOptions, ConfigError } from "../../src/client.js";

/** What a configuration needs to have everything. */
const UPSTREAMS = {
  grpc: { url: "http://auth:50051" },
  rest: { url: "http://auth:8001" },
  cache: { redis: { url: "redis://127.0.0.1" } },
  logger: false,
};

type Number = NumberSetting & { readonly path: string };

/** As they are declared: the keys of each section, by its path; of all together by "". */
export const sections: ReadonlyMap<string, readonly string[]> = new Map(sectionsBelow("", SETTINGS));
export const options = [...sections].flatMap(([section, keys]) => keys.map((key) => pathOf(section, key)));
const declared = settingsIn(SETTINGS);
/** Those that hold a value, and no options of their own. */
export const settings = declared.map(({ path }) => path);
export const numbers = declared.filter((setting): setting is Number => setting.kind !== "value");
export const fixed = numbers.flatMap(({ path, fallback }) =>
  fallback === undefined ? [] : [[path, fallback] as const],
);
/** Numbers whose defaults follow from other options. */
export const derived = numbers.filter(({ fallback }) => fallback === undefined).map(({ path }) => path);

function sectionsBelow(path: string, section: object): [string, readonly string[]][] {
  const below = Object.entries(section)
    .filter(([, each]) => !("kind" in each))
    .flatMap(([key, each]) => sectionsBelow(pathOf(path, key), each));
  return [[path, keysOf(section)], ...below];
}

/** The keys that a section is read with: told by the error about a number in its place. */
export function keysReadIn(path: string): readonly string[] {
  const given = path === "" ? 5 : merged(UPSTREAMS, withValue(path, 5));
  const name = path || "options";
  return keysIn(problemsOf(() => readConfig(given as never)).find((problem) => problem.name === name)?.expected);
}

export function keysIn(expected = ""): string[] {
  return /^an object with any of (.+)$/.exec(expected)?.[1]?.split(", ") ?? [];
}

export function problemsOf(read: () => unknown): ConfigError["problems"] {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

/** The number that a configuration has where nothing was said of it, and something, perhaps, of others. */
export function defaultOf(path: string, given: object = {}): unknown {
  return valueAt(readConfig(merged(UPSTREAMS, given) as AuthClientOptions), path);
}

/** Every number but this one twice its default, and no deadline, of which timeouts get their part. */
export function doubledBut(path: string): object {
  const others = numbers.filter((other) => other.path !== path && other.path !== "deadlineMs");
  return others.reduce<object>((given, other) => {
    const { fallback = defaultOf(other.path) } = other;
    return merged(given, withValue(other.path, Number(fallback) * 2));
  }, {});
}

/** Whether a number is taken. */
export function takes(path: string, value: number): boolean {
  const given = merged(UPSTREAMS, withValue(path, value)) as AuthClientOptions;
  return !problemsOf(() => readConfig(given)).some(({ name }) => name === path);
}

export function pathOf(section: string, key: string): string {
  return section === "" ? key : `${section}.${key}`;
}

export function valueAt(from: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], from);
}

function withValue(path: string, value: unknown): object {
  return path.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as object;
}

function merged(one: object, other: object): object {
  const result: Record<string, unknown> = { ...one };
  for (const [key, value] of Object.entries(other)) {
    const before = result[key];
    const both = typeof before === "object" && typeof value === "object" && before !== null && value !== null;
    result[key] = both ? merged(before, value as object) : value;
  }
  return result;
}
