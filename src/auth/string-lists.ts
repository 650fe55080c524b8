import { createBoundedMap } from "../runtime/bounded-map.js";

/** Distinct strings that are kept to be shared, up to twice as many while the old ones are dropped; and distinct lists. */
const MAX_STRINGS = 10_000;
const MAX_LISTS = 2_000;
/** However few they are: an answer may be long. Roughly. */
const MAX_BYTES = 2 ** 24;
/** Up to here a scan is as fast as a set. */
const SCAN_LENGTH = 16;

/**
 * Makes frozen lists of strings that share what they have in common: thousands of users have the same few permissions, and most of
 * them the same list.
 */
export class StringLists {
  #young = new Map<string, string>();
  #youngBytes = 0;
  /** The generation before: strings that are still in use move on, the others are dropped with it. */
  #old: ReadonlyMap<string, string> = new Map();
  /** By fingerprint. Of lists with the same one, the last is shared. */
  readonly #lists = createBoundedMap<readonly string[]>({ maxEntries: MAX_LISTS, maxBytes: MAX_BYTES });
  readonly #unpacked = createBoundedMap<readonly string[]>({ maxEntries: MAX_LISTS, maxBytes: MAX_BYTES });

  of(strings: readonly string[]): readonly string[] {
    const key = fingerprintOf(strings);
    const known = this.#lists.get(key);
    if (known && isSame(known, strings)) return known;
    const list = Object.freeze(strings.map((text) => this.#interned(text)));
    this.#lists.set(key, list, { size: bytesOfTexts(list) });
    return list;
  }

  /** The list that {@link packed} made this of; `undefined` for anything else. */
  unpack(stored: unknown): readonly string[] | undefined {
    if (typeof stored !== "string") return isStrings(stored) ? this.of(stored) : undefined;
    if (stored.length > MAX_PACKED) return undefined; // longer than any packed list
    const known = this.#unpacked.get(stored);
    if (known) return known;
    const list = this.of(ownTexts(stored.split(SEPARATOR)));
    this.#unpacked.set(stored, list, { size: bytesOfTexts([stored]) });
    return list;
  }

  /** Like {@link of}, for lists that differ from user to user: only the strings are shared. */
  ofInterned(strings: readonly string[]): readonly string[] {
    return strings.length === 0 ? this.of(strings) : Object.freeze(strings.map((text) => this.#interned(text)));
  }

  #interned(text: string): string {
    const known = this.#young.get(text);
    if (known !== undefined) return known;
    if (this.#young.size >= MAX_STRINGS || this.#youngBytes >= MAX_BYTES) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    this.#youngBytes += text.length;
    const shared = this.#old.get(text) ?? text;
    this.#young.set(shared, shared);
    return shared;
  }
}

/** A pointer and a string header for each, and the characters. Shared strings are counted again: rather too many bytes than too few. */
export function bytesOfTexts(texts: readonly string[]): number {
  return texts.reduce((bytes, text) => bytes + text.length + 24, 16);
}

/** A few characters of each string: to read them all, and make a key of them, takes longer than to compare two lists. */
function fingerprintOf(strings: readonly string[]): string {
  let sum = strings.length;
  for (const text of strings) {
    const { length } = text;
    sum = Math.imul(sum, 31) + length;
    for (let quarter = 1; quarter <= 4 && length > 0; quarter++) {
      sum = Math.imul(sum, 31) + text.charCodeAt(((length * quarter + 3) >> 2) - 1);
    }
  }
  return `${strings.length}:${sum}`;
}

function isSame(list: readonly string[], other: readonly string[]): boolean {
  return list.length === other.length && list.every((text, at) => text === other[at]);
}

const SEPARATOR = " ";
/** In characters. V8 tells longer strings apart by their length alone when it looks for one. */
const MAX_PACKED = 16_000;

/** The same strings, without the text that they were cut out of: each piece keeps all of it in memory. */
function ownTexts(pieces: readonly string[]): readonly string[] {
  return JSON.parse(JSON.stringify(pieces)) as readonly string[];
}

/**
 * A list's form in the shared cache: one text, so that a process that has read the list before need not make its strings again. The names of
 * permissions and modules hold no spaces; a list where one does, or a very long one, stays as it is.
 */
export function packed(list: readonly string[]): string | readonly string[] {
  if (list.length === 0 || list.some((text) => text.includes(SEPARATOR))) return list;
  const text = list.join(SEPARATOR);
  return text.length <= MAX_PACKED ? text : list;
}

export function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

const sets = new WeakMap<readonly string[], ReadonlySet<string>>();

/** Whether a frozen list holds the string. A long list gets a set, built once. */
export function listHas(list: readonly string[], text: string): boolean {
  if (list.length <= SCAN_LENGTH) return list.includes(text);
  let set = sets.get(list);
  if (!set) {
    set = new Set(list);
    sets.set(list, set);
  }
  return set.has(text);
}
