/** Blanks, controls, all but ASCII, and the comma, by which repeated headers are joined. */
const NEVER_IN_A_TOKEN = /[^\x21-\x2b\x2d-\x7e]/;

/** Whether a caller can send it as a token, whatever syntax a client has. */
export function isSendable(text: string): boolean {
  return text !== "" && !NEVER_IN_A_TOKEN.test(text);
}
