/** A value, and the line, from 1, on which each part of it stands: by its path, `users.token-ana.id`; of the whole, `""`. */
export interface ReadJson {
  readonly value: unknown;
  readonly lineOf: ReadonlyMap<string, number>;
}

/** A text that is no JSON, or has a key twice. */
export class JsonError extends Error {
  override readonly name = "JsonError";

  constructor(
    message: string,
    readonly line: number,
  ) {
    super(message);
  }
}

const STRING = /"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"/uy;
const LITERAL = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const BLANK = /[ \t\r\n]*/y;
const MAX_DEPTH = 32;

/**
 * Reads JSON. `JSON.parse` says where a mistake is in other words on each Node, and nothing of where a value stands.
 *
 * @throws JsonError
 */
export function readJson(text: string): ReadJson {
  const reader = new JsonReader(text);
  const value = reader.whole();
  return { value, lineOf: reader.lineOf };
}

class JsonReader {
  readonly lineOf = new Map<string, number>();
  readonly #text: string;
  #at = 0;
  /** Lines so far, and up to where they are counted. */
  #lines = 1;
  #counted = 0;

  constructor(text: string) {
    this.#text = text.replace(/^\uFEFF/, "");
  }

  whole(): unknown {
    const value = this.#value("", 0);
    this.#skipBlank();
    if (this.#at < this.#text.length) this.#fail("nothing more");
    return value;
  }

  #value(path: string, depth: number): unknown {
    this.#skipBlank();
    if (!this.lineOf.has(path)) this.lineOf.set(path, this.#line());
    if (depth > MAX_DEPTH) this.#fail("fewer lists within lists");
    const next = this.#text[this.#at];
    if (next === "{") return this.#object(path, depth);
    if (next === "[") return this.#list(path, depth);
    const token = this.#take(next === '"' ? STRING : LITERAL);
    return token === undefined ? this.#fail("a value") : JSON.parse(token);
  }

  #object(path: string, depth: number): object {
    const entries = new Map<string, unknown>();
    this.#items("}", () => {
      this.#skipBlank();
      const line = this.#line();
      const token = this.#take(STRING);
      if (token === undefined) return this.#fail('a key in " "');
      const key: string = JSON.parse(token);
      if (entries.has(key)) throw new JsonError(`the key ${token} is there twice`, line);
      const below = path === "" ? key : `${path}.${key}`;
      this.lineOf.set(below, line);
      this.#skipBlank();
      if (this.#text[this.#at] !== ":") this.#fail("a :");
      this.#at++;
      entries.set(key, this.#value(below, depth + 1));
    });
    return Object.fromEntries(entries);
  }

  #list(path: string, depth: number): unknown[] {
    const items: unknown[] = [];
    this.#items("]", () => void items.push(this.#value(`${path}.${items.length}`, depth + 1)));
    return items;
  }

  /** What stands between the commas, up to the end of it. */
  #items(end: string, readOne: () => void): void {
    this.#at++;
    this.#skipBlank();
    if (this.#text[this.#at] === end) {
      this.#at++;
      return;
    }
    for (;;) {
      readOne();
      this.#skipBlank();
      const sign = this.#text[this.#at];
      if (sign !== "," && sign !== end) this.#fail(`a , or ${end}`);
      this.#at++;
      if (sign === end) return;
    }
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const [token] = pattern.exec(this.#text) ?? [];
    if (token !== undefined) this.#at += token.length;
    return token;
  }

  #skipBlank(): void {
    this.#take(BLANK);
  }

  #line(): number {
    for (; this.#counted < this.#at; this.#counted++) if (this.#text[this.#counted] === "\n") this.#lines++;
    return this.#lines;
  }

  #fail(expected: string): never {
    const found = this.#text[this.#at];
    throw new JsonError(`expected ${expected}, found ${found === undefined ? "the end" : found}`, this.#line());
  }
}
