import { readConfig } from "../../src/auth/config/config.js";
import { type AuthClientOptions, ConfigError } from "../../src/client.js";

/** What a configuration needs to have everything; all else is found out by asking it. */
const UPSTREAMS = {
  grpc: { url: "http://auth:50051" },
  rest: { url: "http://auth:8001" },
  cache: { redis: { url: "redis://127.0.0.1" } },
  logger: false,
};

/** The keys of each section, by its path; of all together by "". */
export const sections: ReadonlyMap<string, readonly string[]> = sectionsBelow("");
export const options = [...sections].flatMap(([section, keys]) => keys.map((key) => pathOf(section, key)));
/** Those that hold a value, and no options of their own. */
export const settings = options.filter((path) => !sections.has(path));
/** Those of numbers, without anything given but the upstreams and a Redis. */
export const defaults = defaultsOf({});
/** The defaults that follow from other options. */
export const derived = [...defaults].filter(([path, value]) => defaultsOf(doubledBut(path)).get(path) !== value);
export const fixed = [...defaults].filter(([path]) => !derived.some(([other]) => other === path));

/** The options of this name, and of all below it, with their keys: told by the error about a number in their place. */
function sectionsBelow(path: string): Map<string, readonly string[]> {
  const given = path === "" ? 5 : withValue(path, 5);
  const name = path || "options";
  const keys = keysIn(problemsOf(() => readConfig(given as never)).find((problem) => problem.name === name)?.expected);
  const below = keys.flatMap((key) => [...sectionsBelow(pathOf(path, key))]);
  return new Map(keys.length > 0 ? [[path, keys], ...below] : []);
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

/** The numbers that the configuration has where nothing was said. */
function defaultsOf(given: object): Map<string, number> {
  const config = readConfig(merged(UPSTREAMS, given) as AuthClientOptions);
  return new Map(
    settings.flatMap((path) => {
      const value = valueAt(config, path);
      return typeof value === "number" ? [[path, value] as const] : [];
    }),
  );
}

/** Each number but this one twice its default, and no deadline, of which timeouts get their part. */
function doubledBut(path: string): object {
  const others = [...defaults].filter(([other]) => other !== path && other !== "deadlineMs");
  return others.reduce<object>((given, [other, value]) => merged(given, withValue(other, value * 2)), {});
}

/** The bounds that an error about a number tells, in the option's own unit; `undefined` for what any number of this kind may be. */
export function boundsOf(path: string): { min: number; max: number | undefined } {
  const wrong = merged(UPSTREAMS, withValue(path, -1)) as AuthClientOptions;
  const expected = problemsOf(() => readConfig(wrong)).find(({ name }) => name === path)?.expected ?? "";
  const [, min, max] = /(?:from|at least) (\d+)(?: to (\d+))?/.exec(expected) ?? [];
  return { min: Number(min), max: max === undefined || Number(max) === 2 ** 31 - 1 ? undefined : Number(max) };
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
