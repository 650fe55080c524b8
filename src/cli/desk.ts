import { createHmac, randomBytes, randomUUID } from "node:crypto";
import type { Clock } from "../runtime/clock.js";
import type { Directory } from "../testing/directory.js";
import type { DirectoryOptions, TestUser } from "../testing/directory-options.js";

/** The longest life of a token that is made here, in seconds. */
export const MAX_LIFE_S = 14 * 86_400;

/** The users of the auth service for the desk, and the tokens that it makes for them. */
export class Desk {
  /** What the service answers from. */
  readonly directory: Directory;
  readonly #clock: Clock;
  /** Of this process: what it signed is worth nothing to another one. */
  readonly #key = randomBytes(32);
  #users: Readonly<Record<string, TestUser>> = {};
  /** Tokens that were made here and have not ended, with the id of their user. */
  readonly #made = new Map<string, string>();
  readonly #revoked = new Set<string>();

  constructor(directory: Directory, clock: Clock) {
    this.directory = directory;
    this.#clock = clock;
  }

  /** By token, as they were given. */
  get users(): Readonly<Record<string, TestUser>> {
    return this.#users;
  }

  get ids(): readonly string[] {
    return [...new Set(Object.values(this.#users).map(({ id }) => id))];
  }

  /** Other users; what was revoked is good again. @throws ConfigError, and then all is as it was */
  replace(options: DirectoryOptions): void {
    this.directory.replace(options);
    this.#users = options.users ?? {};
    this.#revoked.clear();
    for (const [token, id] of this.#made) this.#admit(token, id);
  }

  /** The token of the file, or with a life, in seconds, a JWT that is good for so long. `undefined`: there is no such user. */
  tokenOf(id: string, lifeS?: number): string | undefined {
    const [token, user] = Object.entries(this.#users).find(([, each]) => each.id === id) ?? [];
    if (!token || !user || lifeS === undefined) return token;
    const now = Math.floor(this.#clock.now() / 1000);
    const claims = { iss: "portero dev", sub: id, iat: now, exp: now + lifeS, jti: randomUUID() };
    const jwt = this.#sign({ ...claims, ...(user.organizationId !== undefined && { org: user.organizationId }) });
    if (lifeS <= 0) return jwt; // it has ended
    this.#made.set(jwt, id);
    this.#clock.setTimeout(() => this.#end(jwt), claims.exp * 1000 - this.#clock.now(), { background: true });
    this.#admit(jwt, id);
    return jwt;
  }

  /** All tokens of the user are bad from now on. `false`: there is no such user. */
  revoke(id: string): boolean {
    this.#revoked.add(id);
    for (const token of this.#tokensOf(id)) this.directory.removeUser(token);
    return this.ids.includes(id);
  }

  /** Ends {@link revoke}. */
  allow(id: string): boolean {
    this.#revoked.delete(id);
    for (const token of this.#tokensOf(id)) this.#admit(token, id);
    return this.ids.includes(id);
  }

  #tokensOf(id: string): string[] {
    const given = Object.entries(this.#users).flatMap(([token, user]) => (user.id === id ? [token] : []));
    return [...given, ...[...this.#made].flatMap(([token, of]) => (of === id ? [token] : []))];
  }

  #admit(token: string, id: string): void {
    const user = this.#users[token] ?? Object.values(this.#users).find((each) => each.id === id);
    if (user && !this.#revoked.has(id)) this.directory.setUser(token, user);
    else this.directory.removeUser(token);
  }

  #end(jwt: string): void {
    this.#made.delete(jwt);
    this.directory.removeUser(jwt);
  }

  #sign(claims: object): string {
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
    const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
    return `${signed}.${createHmac("sha256", this.#key).update(signed).digest("base64url")}`;
  }
}
