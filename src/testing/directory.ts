import {
  assertOrganization,
  assertUser,
  type DirectoryOptions,
  readDirectory,
  type TestOrganization,
  type TestUser,
} from "./directory-options.js";

/** The users and organizations of the fake auth service and of the stub client. */
export class Directory {
  readonly #users = new Map<string, Required<TestUser>>();
  readonly #organizations = new Map<string, Required<TestOrganization> & { id: string }>();

  constructor(options: DirectoryOptions) {
    this.replace(options);
  }

  /** Forgets all that it holds, for these. @throws ConfigError, and then it holds what it held */
  replace(options: DirectoryOptions): void {
    const { users = {}, organizations = {} } = readDirectory(options);
    this.#users.clear();
    this.#organizations.clear();
    for (const [token, user] of Object.entries(users)) this.setUser(token, user);
    for (const [id, organization] of Object.entries(organizations)) this.setOrganization(id, organization);
  }

  setUser(token: string, user: TestUser): void {
    assertUser(user);
    const defaults = {
      organizationId: "org-1",
      email: `${user.id}@example.com`,
      permissions: [],
      locals: [],
      isActive: true,
    };
    this.#users.set(token, { ...defaults, ...user });
  }

  removeUser(token: string): void {
    this.#users.delete(token);
  }

  setOrganization(id: string, organization: TestOrganization): void {
    assertOrganization(organization);
    this.#organizations.set(id, { id, name: id, plan: "free", isActive: true, modules: [], ...organization });
  }

  byToken(token: string): Required<TestUser> | undefined {
    return this.#users.get(token);
  }

  byId(userId: string, organizationId: string): Required<TestUser> | undefined {
    return [...this.#users.values()].find((user) => user.id === userId && user.organizationId === organizationId);
  }

  organization(id: string): (Required<TestOrganization> & { id: string }) | undefined {
    return this.#organizations.get(id);
  }
}
