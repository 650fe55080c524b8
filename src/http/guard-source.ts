import { ConfigError, show } from "../auth/config/config-error.js";
import { AuthError } from "../auth/errors.js";
import { isPromise } from "../runtime/is-promise.js";
import { assertNoRequest, typeOf } from "./misuse.js";
import { type MaybeHeaded, readingsOf } from "./request.js";
import { readingParsed, readsUnparsedBody } from "./unparsed-body.js";

/**
 * Where a guard finds the id of what the request is about: a route parameter by name, a header, a query parameter, or a function of
 * the request, which must not be async. It may name several, as an array, or by being repeated: then each of them must be allowed.
 */
export type GuardSource<R> =
  | string
  | { readonly header: string }
  | { readonly query: string }
  | ((request: R) => string | readonly string[] | undefined);

/** What guards must know of a framework's request. */
export interface RequestAccess<R> {
  node(request: R): MaybeHeaded & object;
  params(request: R): Readonly<Record<string, unknown>> | undefined;
  query(request: R): Readonly<Record<string, unknown>> | undefined;
  /** The pattern of the route, where the framework tells it. */
  routePath(request: R): unknown;
  /** Where a guard must be mounted to see the parameters of the route. */
  readonly placeOfGuards: string;
}

/** Reads the values of a source: at least one, none of them empty. */
export type SourceReader<R> = (request: R) => readonly string[];

/**
 * @param guard the name of the guard that reads it
 * @throws ConfigError when the source is none of the four
 */
export function createSourceReader<R>(
  guard: string,
  source: GuardSource<R>,
  access: RequestAccess<R>,
): SourceReader<R> {
  const { label, read } = toReader(guard, source, access);
  return (request) => {
    const found = typeof source === "function" ? readFunction(guard, read, request) : read(request);
    const values: readonly unknown[] = Array.isArray(found) ? found : [found];
    // An object, as a query parser makes one of `?local[a]=1`, is no value either.
    if (values.length > 0 && values.every((value) => typeof value === "string" && value !== ""))
      return values as string[];
    throw new AuthError("missing_parameter", { message: messageOf(values, label, source, request) });
  };
}

/** @throws TypeError where it returns what no request can hold */
function readFunction<R>(guard: string, read: (request: R) => unknown, request: R): unknown {
  const found = readingParsed(`${guard}(source)`, read, request);
  const foreign = (Array.isArray(found) ? found : [found]).filter((value) => !isData(value));
  if (foreign.length === 0) return found;
  for (const each of foreign) if (isPromise(each)) each.then(undefined, () => undefined); // an unhandled rejection would end the process
  const got = isPromise(foreign[0]) ? "a Promise: it must not be async" : typeOf(foreign[0]);
  throw new TypeError(`${guard}(source) must return a string or a list of strings, got ${got}`);
}

/** Types that an HTTP client can give to a field of the body, or to a query parameter; they are no mistake of the application. */
function isData(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return !["function", "symbol", "bigint"].includes(typeof value);
  if (Array.isArray(value)) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return !isPromise(value) && (prototype === null || Object.getPrototypeOf(prototype) === null);
}

function messageOf(values: readonly unknown[], label: string, source: unknown, request: unknown): string {
  const other = values.find((value) => typeof value === "number" || typeof value === "boolean");
  if (other !== undefined) return `The request's value for ${label} is ${typeOf(other)}, and no string.`;
  const why = readsUnparsedBody(source, request) ? " Its body was not parsed." : "";
  return `The request has no value for ${label}.${why}`;
}

function toReader<R>(
  guard: string,
  source: GuardSource<R>,
  access: RequestAccess<R>,
): { label: string; read: (request: R) => unknown } {
  if (typeof source === "function") return { label: "what it is about", read: source };
  const refuse = (place: string, value: unknown, expected: string) =>
    new ConfigError([{ name: `${guard}(${place})`, value: show(value), expected }]);
  if (typeof source === "string" && source !== "") {
    if (/^[:*]|\//.test(source))
      throw refuse("source", source, "a route parameter's name alone, as localId of /:localId");
    return { label: `the route parameter ${source}`, read: (request) => readParameter(guard, request, source, access) };
  }
  assertNoRequest(guard, source, `${guard}(source)`);
  if (typeof source === "object" && source !== null) {
    if ("header" in source) {
      if (!isHeaderName(source.header)) throw refuse("{ header }", source.header, "the name of a header");
      const name = source.header.toLowerCase();
      return { label: `the header ${source.header}`, read: (request) => readingsOf(access.node(request), name) };
    }
    if ("query" in source) {
      const { query } = source;
      if (!isName(query)) throw refuse("{ query }", query, "the name of a query parameter");
      return { label: `the query parameter ${query}`, read: (request) => own(access.query(request), query) };
    }
  }
  throw refuse("source", source, "a route parameter's name, { header }, { query } or a function of the request");
}

function readParameter<R>(guard: string, request: R, name: string, access: RequestAccess<R>): unknown {
  const params = access.params(request);
  if (params && Object.hasOwn(params, name)) return params[name];
  const path = access.routePath(request);
  // An optional parameter that is absent has no key: only the pattern tells it from a misspelt one.
  if (typeof path === "string" && namesParameter(path, name)) return undefined;
  const known = Object.keys(params ?? {}).join(", ") || "none";
  throw new Error(
    `${guard}("${name}"): this route has no parameter "${name}" (it has: ${known}). ${access.placeOfGuards}`,
  );
}

/** `:name` or `*name` in a route's pattern. */
function namesParameter(path: string, name: string): boolean {
  return (path.match(/[:*]\w+/g) ?? []).some((parameter) => parameter.slice(1) === name);
}

function own(record: Readonly<Record<string, unknown>> | undefined, name: string): unknown {
  return record && Object.hasOwn(record, name) ? record[name] : undefined;
}

/** A token (RFC 9110 §5.1). */
function isHeaderName(value: unknown): value is string {
  return typeof value === "string" && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(value);
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
