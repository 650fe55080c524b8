/** A number: its default, its bounds, and the variable that sets it. */
export interface NumberSetting<F extends number | undefined = number | undefined> {
  /** A duration is in milliseconds, and its variable in seconds. */
  readonly kind: "duration" | "integer";
  /** The default; `undefined` where it follows from other settings. */
  readonly fallback: F;
  readonly min: number;
  readonly max: number;
  readonly variable?: string;
  /** A duration for which something is kept in a cache. */
  readonly isTtl?: true;
}

/** A setting that is no number. Its values are checked where it is read. */
export interface ValueSetting {
  readonly kind: "value";
  readonly variable?: string;
  /** Makes the option of the variable's text, where it is another. */
  readonly parse?: (text: string) => unknown;
}

export type Setting = NumberSetting | ValueSetting;

/** One declaration for each option, a number for a number. */
export type Declared<O> = {
  readonly [K in keyof Required<O>]: NonNullable<O[K]> extends number
    ? NumberSetting
    : ValueSetting | Declared<NonNullable<O[K]>>;
};

/** The same declarations, each with the path of its option: `cache.ttlMs`. */
export type Placed<T> = T extends Setting ? T & { readonly path: string } : { readonly [K in keyof T]: Placed<T[K]> };

/** One that a variable sets. */
export type SettingWithVariable = Placed<Setting> & { readonly variable: string };

type OwnBounds = Partial<Pick<NumberSetting, "min" | "max" | "variable">>;

/** The longest that a timer of Node takes, in milliseconds. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** Set in code alone. */
export const inCode: ValueSetting = { kind: "value" };

/** The options of a section, in the order in which an error names them. */
export function keysOf<T extends object>(section: T): readonly (keyof T & string)[] {
  return Object.keys(section) as (keyof T & string)[];
}

/** Every setting in a part of the table. */
export function settingsIn(section: object): Placed<Setting>[] {
  return Object.values(section).flatMap((each) => (isSetting(each) ? [each as Placed<Setting>] : settingsIn(each)));
}

export function duration<F extends number | undefined>(fallback: F, own: OwnBounds = {}): NumberSetting<F> {
  return { kind: "duration", fallback, min: 0, max: MAX_TIMER_MS, ...own };
}

/** A duration for which something is kept in a cache. */
export function ttl<F extends number | undefined>(fallback: F): NumberSetting<F> {
  return { ...duration(fallback), isTtl: true };
}

export function integer<F extends number | undefined>(fallback: F, own: OwnBounds = {}): NumberSetting<F> {
  return { kind: "integer", fallback, min: 0, max: Number.MAX_SAFE_INTEGER, ...own };
}

/** A value that a variable sets. */
export function variable(
  name: string,
  parse?: (text: string) => unknown,
): ValueSetting & { readonly variable: string } {
  return { kind: "value", variable: name, ...(parse && { parse }) };
}

/** A list by commas; `undefined` where nothing stands between them. */
export function listOf(text: string): readonly string[] | undefined {
  const items = text.split(",").map((item) => item.trim());
  const given = items.filter((item) => item !== "");
  return given.length > 0 ? given : undefined;
}

/** One URL, or several by commas: each with a scheme, as a password may hold a comma. */
export function urlsOf(text: string): string | readonly string[] {
  const items = listOf(text) ?? [];
  return items.length > 1 && items.every((item) => /^[a-z][\w+.-]*:/i.test(item)) ? items : text;
}

/** @param prefix what the paths begin with */
export function placed<T extends object>(prefix: string, section: T): Placed<T> {
  const entries = Object.entries(section).map(([key, value]) => {
    const path = prefix + key;
    return [key, isSetting(value) ? Object.freeze({ ...value, path }) : placed(`${path}.`, value as object)];
  });
  return Object.freeze(Object.fromEntries(entries)) as Placed<T>;
}

function isSetting(value: object): value is Setting {
  return "kind" in value;
}
