import { showUrl } from "./shown-url.js";

/** One setting that cannot be used. */
export interface ConfigProblem {
  /** The option's path (`grpc.timeoutMs`) or the variable's name (`AUTH_GRPC_TIMEOUT`). */
  readonly name: string;
  /** The value that was found there, as it can be shown; never a secret. */
  readonly value: string;
  /** What is expected there. */
  readonly expected: string;
  /** The text about it, where that is not `expected …, got …`. */
  readonly message?: string;
}

/** The same in the ESM and in the CommonJS copy of this package. */
const BRAND: unique symbol = Symbol.for("portero.ConfigError") as never;

/** Settings that cannot be used. Thrown when a client, a middleware or a guard is made; names all of them at once. */
export class ConfigError extends Error {
  declare readonly name: "ConfigError";
  /** One entry for each setting. Not enumerable: the message says it already, and Node and loggers print both. */
  declare readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map(({ name, value, expected, message }) => {
      return `  ${name}: ${message ?? `expected ${expected}, got ${value}`}`;
    });
    super(`portero cannot start with these settings:\n${lines.join("\n")}`);
    Object.defineProperty(this, "name", { value: "ConfigError" });
    Object.defineProperty(this, "problems", { value: problems });
  }

  /** For loggers that write JSON. */
  toJSON(): { name: string; problems: readonly ConfigProblem[] } {
    return { name: this.name, problems: this.problems };
  }

  /** Also true for an error of the other module format's copy of this package. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && BRAND in value;
  }

  /** @internal */
  get [BRAND](): true {
    return true;
  }
}

/** A value as it can be shown: short, on one line, and without anything that could be a password. */
export function show(value: unknown): string {
  switch (typeof value) {
    case "undefined":
      return "nothing";
    case "string":
      return showString(value);
    case "number":
    case "boolean":
    case "bigint":
      return String(value);
    case "function":
      return "a function";
    case "symbol":
      return "a symbol";
    case "object":
      return value === null ? "null" : Array.isArray(value) ? "an array" : "an object";
  }
}

/** A text that looks like a URL, or like a part of one, is shown as one. */
function showString(value: string): string {
  if (/:\/\/|@/.test(value)) return showUrl(value);
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 79)}…` : value);
}
