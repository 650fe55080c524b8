import { ConfigError, type ConfigProblem, show } from "./config-error.js";
import { MAX_TIMER_MS, type NumberSetting } from "./declaration.js";
import { meantUrl } from "./meant-url.js";
import { nearest } from "./nearest.js";
import { showUrl } from "./shown-url.js";
import { type SettingOrigin, unitSlip } from "./unit-slip.js";

export type Origins = Readonly<Record<string, SettingOrigin>>;

/** Reads settings one by one and collects their problems, so that all are named at once. */
export class SettingReader {
  readonly #problems: ConfigProblem[];
  readonly #origins: Origins;
  /** Times that were probably meant in another unit, in words. */
  readonly slips: string[] = [];

  constructor(origins: Origins, problems: readonly ConfigProblem[]) {
    this.#origins = origins;
    this.#problems = [...problems];
  }

  problem(path: string, value: unknown, expected: string): void {
    const origin = this.#origins[path];
    this.#problems.push({ name: origin?.name ?? path, value: show(origin?.value ?? value), expected });
  }

  /** A problem of a value that must not be shown; `value` is shown in its place. */
  secretProblem(path: string, expected: string, value = "something else (not shown)"): void {
    this.#problems.push({ name: this.#origins[path]?.name ?? path, value, expected });
  }

  /** A problem of a setting that should be a URL: of a URL, the parts that are no secret are shown; of another text, nothing. */
  urlProblem(path: string, value: unknown, expected: string): void {
    this.secretProblem(path, expected, typeof value === "string" ? showUrl(value) : show(value));
  }

  throwIfAny(): void {
    if (this.#problems.length > 0) throw new ConfigError(this.#problems);
  }

  /** A plain object with no other keys than these; an empty one in its place where there is none. */
  section<T extends object>(path: string, value: T | undefined, keys: readonly (keyof T & string)[]): T {
    if (value === undefined) return {} as T;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      const shown = typeof value === "string" ? "a string (not shown)" : show(value);
      this.#problems.push({
        name: path || "options",
        value: shown,
        expected: `an object with any of ${keys.join(", ")}`,
      });
      return {} as T;
    }
    for (const key of Object.keys(value)) {
      if (!(keys as readonly string[]).includes(key)) this.#unknown(path ? `${path}.` : "", key, keys);
    }
    return value;
  }

  #unknown(prefix: string, key: string, keys: readonly string[]): void {
    const meant = nearest(key, keys);
    this.#problems.push({
      name: prefix + key,
      value: "something (not shown)", // it may be a secret under a wrong name
      expected: "no such option",
      message: `there is no such option; ${meant ? `did you mean ${prefix}${meant}?` : `there are ${keys.join(", ")}`}`,
    });
  }

  /** A number within its bounds; its default where there is none, or another. */
  number(setting: NumberSetting<number> & { readonly path: string }, value: number | undefined): number {
    const { kind, path, fallback, min, max } = setting;
    if (value === undefined) return fallback;
    const isOne = kind === "duration" ? typeof value === "number" : Number.isInteger(value);
    if (isOne && value >= min && value <= max) {
      const slip = kind === "duration" ? unitSlip(setting, value, this.#origins[path]) : undefined;
      if (slip !== undefined) this.slips.push(slip);
      return value;
    }
    this.problem(path, value, kind === "duration" ? this.#durationIn(setting, value) : integerIn(setting));
    return fallback;
  }

  /** A bound that is lower than a timer's tells a time in the wrong unit. */
  #durationIn({ path, min, max }: { path: string; min: number; max: number }, value: number): string {
    const seconds = this.#origins[path]?.seconds;
    const [from, to, unit] = seconds ? [min / 1000, max / 1000, "seconds"] : [min, max, "milliseconds"];
    const slip = seconds ? ": this variable is in seconds, not in milliseconds" : ": this option is in milliseconds";
    const isSlip = max < MAX_TIMER_MS && value > max;
    return `a number of ${unit} from ${from} to ${to}${isSlip ? slip : ""}`;
  }

  /**
   * A URL with one of these protocols (`"http:"`), or `undefined` where it is missing or wrong.
   *
   * @param hint added to the error
   */
  url(
    path: string,
    value: string | undefined,
    protocols: readonly string[],
    { hint = "", defaultPort }: { hint?: string; defaultPort?: string } = {},
  ): string | undefined {
    if (value === undefined) return undefined;
    // The URL class drops or mends characters that are there by mistake: spaces, controls, backslashes.
    const clean = typeof value === "string" && /^[^\s\p{Cc}\\]+$/u.test(value) && URL.canParse(value);
    const url = clean ? new URL(value) : undefined;
    if (url && protocols.includes(url.protocol) && url.hostname !== "" && !value?.includes("#")) return value;
    const meant = meantUrl(value, protocols, defaultPort);
    const expected = `a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`;
    this.urlProblem(path, value, `${expected}${meant ? `: write ${meant}` : hint}`);
    return undefined;
  }

  /** A value that the predicate accepts. */
  optional<T>(path: string, value: T | undefined, accepts: (value: T) => boolean, expected: string): T | undefined {
    if (value === undefined || accepts(value)) return value;
    this.problem(path, value, expected);
    return undefined;
  }

  /** The same for a setting that can hold a secret where it is wrong: a whole URL in the place of a path, or of a store. */
  hidden<T>(path: string, value: T | undefined, accepts: (value: T) => boolean, expected: string): T | undefined {
    if (value === undefined || accepts(value)) return value;
    this.secretProblem(path, expected, typeof value === "string" ? "a string (not shown)" : show(value));
    return undefined;
  }
}

function integerIn({ min, max }: { min: number; max: number }): string {
  return max === Number.MAX_SAFE_INTEGER ? `a whole number, at least ${min}` : `a whole number from ${min} to ${max}`;
}
