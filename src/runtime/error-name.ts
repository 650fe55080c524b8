/** What can be shown of a foreign error: its name where it is one (`TypeError`), never its text, which could hold anything. */
export function errorName(error: unknown): string {
  const name: unknown = (error as Partial<Error> | null | undefined)?.name;
  return typeof name === "string" && /^[A-Za-z]{1,40}$/.test(name) ? name : typeof error;
}
