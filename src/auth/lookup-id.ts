import { fitsTenantHeader } from "../transport/rest-request.js";
import { AuthError } from "./errors.js";
import type { UserRef } from "./model.js";
import { UsageError } from "./usage-error.js";

/** More than any id has; what a client sends in the place of one takes no more room than this, in a cache or a queue. */
const MAX_ID_BYTES = 1024;

/**
 * The user whose locals or permissions are asked for. A copy: a caller that changes its object while the question is under way does not
 * change what is asked, checked or remembered.
 *
 * @param restOnly there is no gRPC: the organization must fit a header
 * @throws AuthError `lookup_refused` where it cannot be asked for; UsageError where it is no reference to a user
 */
export function userToAsk(caller: string, given: UserRef, restOnly: boolean): UserRef {
  const user = copyOf(caller, given);
  const { userId, organizationId } = user;
  assert(isInPath(userId) && isInMessage(organizationId) && (!restOnly || fitsTenantHeader(organizationId)));
  return user;
}

/** @throws AuthError `lookup_refused` where it cannot be asked for; UsageError for an object */
export function organizationToAsk(organizationId: string): string {
  assertNoObject("getOrganization", organizationId);
  assert(isInPath(organizationId));
  return organizationId;
}

/** Any user that a token can have: also one that cannot be asked for. */
export function userToForget(given: UserRef): UserRef {
  if (typeof given === "string")
    throw new UsageError(
      "invalidateUser takes { userId, organizationId }: write invalidateUser({ userId, organizationId })",
    );
  const user = copyOf("invalidateUser", given);
  assert(typeof user.userId === "string" && user.userId !== "" && typeof user.organizationId === "string");
  return user;
}

export function organizationToForget(organizationId: string): string {
  assertNoObject("invalidateOrganization", organizationId);
  assert(typeof organizationId === "string" && organizationId !== "");
  return organizationId;
}

function copyOf(caller: string, given: UserRef | null | undefined): UserRef {
  const { userId, organizationId } = (given ?? {}) as UserRef;
  if (isOurs(given) && userId === undefined && "id" in given)
    throw new UsageError(
      `${caller} takes { userId, organizationId }: write ${caller}({ userId: user.id, organizationId: user.organizationId })`,
    );
  return { userId, organizationId };
}

/** A user or an organization that the application has from here. Anything else may have come with a request: a text, a list, a body. */
function isOurs(given: unknown): given is object {
  if (typeof given !== "object" || given === null || Array.isArray(given)) return false;
  return Object.isFrozen(given) || "permissions" in given || "modules" in given;
}

function assertNoObject(caller: string, given: unknown): void {
  if (!isOurs(given)) return;
  const example = "organizationId" in given ? "user.organizationId" : "organization.id";
  throw new UsageError(`${caller} takes the id of an organization: write ${caller}(${example})`);
}

function assert(isPossible: boolean): void {
  if (!isPossible) throw new AuthError("lookup_refused");
}

/**
 * Whether an id can be asked for: it is part of a path, where `.` and `..` mean something else, must survive its encoding, and must
 * not look like the end of a header to a proxy on the way.
 */
function isInPath(id: unknown): id is string {
  return isInMessage(id) && id !== "" && !hasControls(id);
}

/**
 * Whether a user's organization can be asked with: as text over gRPC, where it is no header. A user of no organization has an empty one,
 * as proto3 writes what is not set.
 */
function isInMessage(id: unknown): id is string {
  if (typeof id !== "string" || Buffer.byteLength(id) > MAX_ID_BYTES) return false;
  return id !== "." && id !== ".." && id.isWellFormed();
}

function hasControls(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}
