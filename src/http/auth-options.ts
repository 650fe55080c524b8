import type { AuthClient } from "../auth/auth-client.js";
import { ConfigError } from "../auth/config/config-error.js";
import { SettingReader } from "../auth/config/setting-reader.js";
import type { TokenFacts } from "../auth/model.js";
import type { UnknownTokenVerdict } from "../auth/unknown-token.js";
import type { Decision } from "./decision.js";

/** How requests are authenticated, whatever the framework. `R` is what the framework's handlers get: the request, or Koa's context. */
export interface AuthenticateOptions<R> {
  /** Default: the one of this process, made from the environment. */
  client?: AuthClient;
  /**
   * Finds the token; must not be async. Default: the `Authorization` header. What it returns must be a token by the client's
   * `tokenSyntax`; `undefined`, `null` or an empty string is no token, and a list, an object, a number or a boolean, which an HTTP client
   * can make of a parameter, is `invalid_request`.
   */
  token?: (request: R) => string | null | undefined;
  /** The protection space that challenges name, in printable ASCII. Default `"api"`. */
  realm?: string;
  /**
   * Where HTTP clients find the metadata of this resource, an absolute `https:` or `http:` URL in ASCII: challenges carry it as
   * `resource_metadata` (RFC 9728 §5.1). Default: none.
   */
  resourceMetadata?: string;
  /** Ask the service for every request, skip the caches. Default `false`. */
  fresh?: boolean;
  /**
   * Called before the service is asked about a token that is not known, with what the token says of itself, **unverified**, and the request:
   * for a limit per address, or an issuer that is not yours. Returns `"overloaded"`, `"invalid_token"` or an `AuthError` of one of these
   * codes to turn the request away, nothing to ask; at once or as a promise. Throwing such an error turns away too; any other error in it
   * is `auth_unavailable`, and so is a promise that takes longer than the client's `deadlineMs`. Not called for a token that is cached, here
   * or in the shared cache, for a refusal that is remembered, or where the same token is being asked about. Default: every token is asked
   * about.
   */
  onUnknown?: (facts: TokenFacts, request: R) => UnknownTokenVerdict | Promise<UnknownTokenVerdict>;
  /**
   * Told of each request that is let through or turned away, here and by the guards behind, before it is answered: for security logs and
   * request ids. It is not waited for, and changes no answer; where it throws or rejects, a log line says so, one a minute at most.
   * Default: none.
   */
  onDecision?: (decision: Decision, request: R) => unknown;
}

/** Options of `optionalAuth` alone. */
export interface OptionalAuthOptions {
  /**
   * What happens to a request with a bad token: `"reject"`, the default, answers 401 or 400; `"anonymous"` lets it through as one
   * without credentials. It applies to `invalid_token` and `inactive_user`, and to `invalid_request` where the option `token` brought the
   * token; never to `cross_site`, a repeated `Authorization` header or an outage.
   */
  invalidToken?: "reject" | "anonymous";
}

/** Options of `authenticate` alone. */
export interface AttachOptions {
  /**
   * Leave the outcome on the request, as `requireAuth` does: guards and `getAuth` work behind it, and where it rejects, the request is
   * anonymous to them. Default `false`.
   */
  attach?: boolean;
}

/** The options of all of them; each takes some. */
export type GivenOptions<R> = AuthenticateOptions<R> & OptionalAuthOptions & AttachOptions & { onError?: unknown };

/** The functions that authenticate requests. */
export type Maker = "requireAuth" | "optionalAuth" | "authenticate";

const COMMON = ["client", "token", "realm", "resourceMetadata", "fresh", "onUnknown", "onDecision", "onError"] as const;
const OWN = { requireAuth: [], optionalAuth: ["invalidToken"], authenticate: ["attach"] } as const;

/** @throws ConfigError that names every option that cannot be used */
export function readAuthOptions<R>(maker: Maker, options: GivenOptions<R>): GivenOptions<R> {
  assertNoClient(options);
  const read = new SettingReader({}, []);
  const strays = othersIn(options, maker);
  const given = read.section<GivenOptions<R>>("", options, [...COMMON, ...OWN[maker], ...strays.map(({ key }) => key)]);
  for (const { key, owner } of strays) read.problem(key, given[key], `nothing: it is an option of ${owner}`);
  read.optional("client", given.client, isClient, "an AuthClient");
  read.optional("token", given.token, isFunction, "a function of the request");
  // No header, and so no challenge, can carry another.
  read.optional("realm", given.realm, isPrintable, "printable ASCII that is not empty");
  const metadata = "a URL in ASCII that begins with https:// or http://";
  read.optional("resourceMetadata", given.resourceMetadata, isMetadataUrl, metadata);
  read.optional("fresh", given.fresh, isBoolean, "true or false");
  read.optional("onUnknown", given.onUnknown, isFunction, "a function");
  read.optional("onDecision", given.onDecision, isFunction, "a function");
  read.optional("onError", given.onError, isFunction, "a function");
  if (maker === "optionalAuth")
    read.optional("invalidToken", given.invalidToken, isInvalidToken, '"reject" or "anonymous"');
  if (maker === "authenticate") read.optional("attach", given.attach, isBoolean, "true or false");
  read.throwIfAny();
  return given;
}

/** @throws ConfigError for a client in the place of the options that hold it */
export function assertNoClient(options: object): void {
  if (!isClient(options)) return;
  const message = "pass { client }: what was given is the client itself";
  throw new ConfigError([{ name: "options", value: "an AuthClient", expected: "an object with the client", message }]);
}

/** Options of another function: not misspelt, so that no other name was meant. */
function othersIn(options: object, maker: Maker) {
  const others = [
    { key: "invalidToken", owner: "optionalAuth" },
    { key: "attach", owner: "authenticate" },
  ] as const;
  return others.filter(({ key, owner }) => owner !== maker && Object.hasOwn(Object(options), key));
}

function isClient(value: unknown): boolean {
  return typeof (value as Partial<AuthClient> | null | undefined)?.verifyToken === "function";
}

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

function isBoolean(value: unknown): boolean {
  return typeof value === "boolean";
}

function isPrintable(value: unknown): boolean {
  return typeof value === "string" && /^[\x20-\x7e]+$/.test(value);
}

function isInvalidToken(value: unknown): boolean {
  return value === "reject" || value === "anonymous";
}

/** Without what does not belong into it (RFC 9728 §1.2: no fragment) or must not be told: user-info. */
function isMetadataUrl(value: unknown): boolean {
  if (typeof value !== "string" || !/^https?:\/\/[\x21-\x7e]+$/i.test(value) || /[\\"#]/.test(value)) return false;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  return url !== undefined && url.username === "" && url.password === "";
}
