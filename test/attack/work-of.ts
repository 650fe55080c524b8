import { jest } from "@jest/globals";

/** Of a text: these look at one character … */
const LOOKING = ["at", "charAt", "charCodeAt", "codePointAt"] as const;
/** … and these may look at all of it, as often as they are called. With a regular expression it is that one which looks. */
const SCANNING = [
  ...["endsWith", "includes", "indexOf", "lastIndexOf", "localeCompare", "match", "matchAll", "normalize", "replace"],
  ...["replaceAll", "search", "split", "startsWith", "toLowerCase", "toUpperCase", "trim", "trimEnd", "trimStart"],
  Symbol.iterator,
] as readonly ("indexOf" | typeof Symbol.iterator)[];

/** The source of an expression of one class of characters and no repetition: it looks at each once, up to the first that it knows. */
const ONE_CLASS = /^\[[^\]]*\]$/;

/**
 * Characters that are looked at while `parse` runs, and the longest text that was given to a regular expression which could go back.
 * Hidden are `text[index]` and comparisons alone; whoever copies (`slice`) has looked at nothing yet.
 */
export function workOf(parse: () => void): { steps: number; longestMatched: number } {
  let steps = 0;
  let longestMatched = 0;
  const watch = (name: (typeof LOOKING)[number] | (typeof SCANNING)[number], costOf: (text: string) => number) => {
    const original = String.prototype[name] as (...given: unknown[]) => never;
    jest.spyOn(String.prototype, name as "at").mockImplementation(function (this: string, ...given: unknown[]) {
      if (!(given[0] instanceof RegExp)) steps += costOf(this);
      return original.apply(this, given);
    });
  };
  for (const name of LOOKING) watch(name, () => 1);
  for (const name of SCANNING) watch(name, ({ length }) => length);
  const { exec } = RegExp.prototype;
  jest.spyOn(RegExp.prototype, "exec").mockImplementation(function (this: RegExp, text) {
    const match = exec.call(this, text);
    steps += match ? match.index + 1 : text.length;
    if (!exec.call(ONE_CLASS, this.source)) longestMatched = Math.max(longestMatched, text.length);
    return match;
  });
  try {
    parse();
  } finally {
    jest.restoreAllMocks();
  }
  return { steps, longestMatched };
}
