import { readFileSync } from "node:fs";

export interface User {
  id: string;
  organizationId: string;
  email: string;
  isActive: boolean;
  permissions: string[];
  /** Ids of the locals (shop branches) that the user may act on. */
  locals: string[];
}

export interface Organization {
  id: string;
  name: string;
  plan: string;
  isActive: boolean;
  modules: string[];
}

const { users, organizations } = JSON.parse(readFileSync(new URL("users.json", import.meta.url), "utf8")) as {
  users: User[];
  organizations: Organization[];
};

/** Ids are unique over all organizations in this file; a look-up names the organization all the same, and must get it right. */
export function findUser(id: string | undefined, organizationId?: string): User | undefined {
  return users.find((user) => user.id === id && user.organizationId === (organizationId ?? user.organizationId));
}

export function findOrganization(id: string): Organization | undefined {
  return organizations.find((organization) => organization.id === id);
}
