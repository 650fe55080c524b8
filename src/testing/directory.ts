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
  /** Whose token is whose: `{ "token-ana": { id: "ana", locals: ["madrid"] } }`. */
  users?: Readonly<Record<string, TestUser>>;
  /** By id. */
  organizations?: Readonly<Record<string, TestOrganization>>;
}

/** Who there is, for the fake auth service and for the stub client. */
export class Directory {
  readonly #users = new Map<string, Required<TestUser>>();
  readonly #organizations = new Map<string, Required<TestOrganization> & { id: string }>();

  constructor({ users = {}, organizations = {} }: DirectoryOptions) {
    for (const [token, user] of Object.entries(users)) this.setUser(token, user);
    for (const [id, organization] of Object.entries(organizations)) this.setOrganization(id, organization);
  }

  setUser(token: string, user: TestUser): void {
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
