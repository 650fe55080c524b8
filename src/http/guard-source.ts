import { ConfigError, show } from "../auth/config-error.js";
import { AuthError } from "../auth/errors.js";
import { headerLines, type RequestLike } from "./request.js";

/**
 * Where a guard finds the id of what the request is about: a route parameter by name, a header, a query parameter, or a function of
 * the request. It may name several, as an array, or by being repeated: then each of them must be allowed.
 */
export type GuardSource<R> =
  | string
  | { readonly header: string }
  | { readonly query: string }
  | ((request: R) => string | readonly string[] | undefined);

/** What guards must know of a framework's request. */
export interface RequestAccess<R> {
  node(request: R): RequestLike & object;
  params(request: R): Readonly<Record<string, unknown>> | undefined;
  query(request: R): Readonly<Record<string, unknown>> | undefined;
  /** The pattern of the route, where the framework tells it. */
  routePath(request: R): unknown;
}

/** Reads the values of a source: at least one, none of them empty. */
export type SourceReader<R> = (request: R) => readonly string[];

/** @throws ConfigError when the source is none of the four */
export function createSourceReader<R>(source: GuardSource<R>, access: RequestAccess<R>): SourceReader<R> {
  const { label, read } = toReader(source, access);
  return (request) => {
    const found = read(request);
    const values: readonly unknown[] = Array.isArray(found) ? found : [found];
    // An object, as a query parser makes one of `?local[a]=1`, is no value either.
    if (values.length > 0 && values.every((value) => typeof value === "string" && value !== ""))
      return values as string[];
    throw new AuthError("missing_parameter", { message: `The request has no value for ${label}.` });
  };
}

function toReader<R>(
  source: GuardSource<R>,
  access: RequestAccess<R>,
): { label: string; read: (request: R) => unknown } {
  if (typeof source === "function") return { label: "what it is about", read: source };
  if (typeof source === "string" && source !== "") {
    return { label: `the route parameter ${source}`, read: (request) => readParameter(request, source, access) };
  }
  if (typeof source === "object" && source !== null) {
    if ("header" in source && isName(source.header)) {
      const name = source.header.toLowerCase();
      return { label: `the header ${source.header}`, read: (request) => headerLines(access.node(request), name) };
    }
    if ("query" in source && isName(source.query)) {
      const { query } = source;
      return { label: `the query parameter ${query}`, read: (request) => own(access.query(request), query) };
    }
  }
  const expected = "a route parameter's name, { header }, { query } or a function of the request";
  throw new ConfigError([{ name: "source", value: show(source), expected }]);
}

function readParameter<R>(request: R, name: string, access: RequestAccess<R>): unknown {
  const params = access.params(request);
  if (params && Object.hasOwn(params, name)) return params[name];
  const path = access.routePath(request);
  // An optional parameter that is absent has no key: only the pattern tells it from a misspelt one.
  if (typeof path === "string" && namesParameter(path, name)) return undefined;
  throw new Error(`the guard's route parameter "${name}" does not exist on this route`);
}

/** `:name` or `*name` in a route's pattern. */
function namesParameter(path: string, name: string): boolean {
  return (path.match(/[:*]\w+/g) ?? []).some((parameter) => parameter.slice(1) === name);
}

function own(record: Readonly<Record<string, unknown>> | undefined, name: string): unknown {
  return record && Object.hasOwn(record, name) ? record[name] : undefined;
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
