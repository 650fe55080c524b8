/**
 * Whether an id can be asked for: it stands in a path, where `.` and `..` mean something else, must survive its encoding, and must
 * not look like the end of a header to whatever reads it on the way.
 */
export function isLookupId(id: unknown): id is string {
  return typeof id === "string" && id !== "" && id !== "." && id !== ".." && id.isWellFormed() && !hasControls(id);
}

/** Whether an organization's id can also travel in a header: printable ASCII, and no space at the ends, where it would get lost. */
export function isTenantId(id: unknown): id is string {
  return isLookupId(id) && /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(id);
}

function hasControls(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}
