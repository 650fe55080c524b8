import { SettingReader } from "../auth/config/setting-reader.js";
import { keepsScheme } from "../auth/malformed-token.js";
import { isSendable } from "../auth/sendable.js";

/** A user for tests. What is left out gets a plain value. */
export interface TestUser {
  id: string;
  /** Default `"org-1"`. */
  organizationId?: string;
  /** Default the id at `example.com`. */
  email?: string;
  /** Default none. */
  permissions?: readonly string[];
  /** Ids of locals. Default none. */
  locals?: readonly string[];
  /** Default `true`. */
  isActive?: boolean;
}

/** An organization for tests. What is left out gets a plain value. */
export interface TestOrganization {
  /** Default the id. */
  name?: string;
  /** Default `"free"`. */
  plan?: string;
  /** Default `true`. */
  isActive?: boolean;
  /** Default none. */
  modules?: readonly string[];
}

export interface DirectoryOptions {
  /** By token: `{ "token-ana": { id: "ana", locals: ["madrid"] } }`. */
  users?: Readonly<Record<string, TestUser>>;
  /** By id. */
  organizations?: Readonly<Record<string, TestOrganization>>;
}

/**
 * @param sendable whether a token that no caller can send is a mistake: a test may want to see it refused
 * @throws ConfigError that names everything that is wrong, with a user's token and an organization's id in the name
 */
export function readDirectory(
  given: DirectoryOptions,
  { sendable = false }: { readonly sendable?: boolean } = {},
): DirectoryOptions {
  const read = new SettingReader({}, []);
  const { users, organizations } = read.section("", given, ["users", "organizations"]);
  if (sendable && isObject(users)) for (const token of Object.keys(users ?? {})) readToken(read, token);
  readPeople(read, { users, organizations });
  read.throwIfAny();
  return given;
}

/** The same, as a part of other options. */
export function readPeople(read: SettingReader, { users, organizations }: DirectoryOptions): void {
  readEach(read, "users", users, readUser);
  readEach(read, "organizations", organizations, readOrganization);
}

/** @throws ConfigError that names what cannot be a user's */
export function assertUser(user: TestUser): void {
  const read = new SettingReader({}, []);
  readUser(read, "user", user);
  read.throwIfAny();
}

/** @throws ConfigError that names what cannot be an organization's */
export function assertOrganization(organization: TestOrganization): void {
  const read = new SettingReader({}, []);
  readOrganization(read, "organization", organization);
  read.throwIfAny();
}

type ReadOne<T> = (read: SettingReader, path: string, given: T) => void;

function readEach<T>(
  read: SettingReader,
  path: string,
  given: Readonly<Record<string, T>> | undefined,
  one: ReadOne<T>,
) {
  const record = read.optional(path, given, isObject, `an object, ${path} by ${path === "users" ? "token" : "id"}`);
  for (const [key, value] of Object.entries(record ?? {})) one(read, `${path}.${key}`, value);
}

function readToken(read: SettingReader, token: string): void {
  if (isSendable(token)) return;
  const expected = keepsScheme(token)
    ? 'the token alone, without "Bearer "'
    : "a token that a caller can send: ASCII, without blanks and commas, and not empty";
  read.problem(`users.${token}`, token, expected);
}

function readUser(read: SettingReader, path: string, given: TestUser): void {
  if (!isObject(given)) return read.problem(path, given, "a user: an object with an id");
  const user = read.section(path, given, ["id", "organizationId", "email", "permissions", "locals", "isActive"]);
  if (!isText(user.id) || user.id === "") read.problem(`${path}.id`, user.id, "a string that is not empty");
  read.optional(`${path}.organizationId`, user.organizationId, isText, "a string");
  read.optional(`${path}.email`, user.email, isText, "a string");
  read.optional(`${path}.permissions`, user.permissions, isTexts, "a list of strings");
  read.optional(`${path}.locals`, user.locals, isTexts, "a list of strings");
  read.optional(`${path}.isActive`, user.isActive, isBoolean, "true or false");
}

function readOrganization(read: SettingReader, path: string, given: TestOrganization): void {
  if (!isObject(given)) return read.problem(path, given, "an organization: an object");
  const organization = read.section(path, given, ["name", "plan", "isActive", "modules"]);
  read.optional(`${path}.name`, organization.name, isText, "a string");
  read.optional(`${path}.plan`, organization.plan, isText, "a string");
  read.optional(`${path}.isActive`, organization.isActive, isBoolean, "true or false");
  read.optional(`${path}.modules`, organization.modules, isTexts, "a list of strings");
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(isText);
}

function isBoolean(value: unknown): boolean {
  return typeof value === "boolean";
}
