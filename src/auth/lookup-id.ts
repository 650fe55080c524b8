/**
 * Whether an id can be asked for: it stands in a path, where `.` and `..` mean something else, and must survive its encoding.
 */
export function isLookupId(id: unknown): id is string {
  return typeof id === "string" && id !== "" && id !== "." && id !== ".." && id.isWellFormed();
}

/** Whether an organization's id can also travel in a header: printable ASCII, and no space at the ends, where it would get lost. */
export function isTenantId(id: unknown): id is string {
  return isLookupId(id) && /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(id);
}
