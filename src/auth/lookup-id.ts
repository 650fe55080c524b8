/** Longer than any id there is; what a client can send in its place takes no more room than this, in a cache or a queue. */
const MAX_ID_BYTES = 1024;

/**
 * Whether an id can be asked for: it stands in a path, where `.` and `..` mean something else, must survive its encoding, and must
 * not look like the end of a header to whatever reads it on the way.
 */
export function isLookupId(id: unknown): id is string {
  return isOrganizationOfUser(id) && id !== "" && !hasControls(id);
}

/**
 * Whether a user's organization can be asked with: as text over gRPC, where it is no header. A user of no organization has an empty one,
 * as proto3 writes what is not set.
 */
export function isOrganizationOfUser(id: unknown): id is string {
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
