const open: { close(): unknown }[] = [];

/** To be closed when all tests of the file are over, the last one first. */
export function kept<T extends { close(): unknown }>(closable: T): T {
  open.push(closable);
  return closable;
}

export async function closeKept(): Promise<void> {
  for (const closable of open.splice(0).reverse()) await closable.close();
}
