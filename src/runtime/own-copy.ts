/** The same text, in memory of its own: a piece of a text keeps all of it in memory. */
export function ownCopyOf(text: string): string {
  return Buffer.from(text).toString();
}
