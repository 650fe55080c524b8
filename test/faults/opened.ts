import { afterEach } from "@jest/globals";

interface Closable {
  close(): unknown;
}

const all: Closable[] = [];

/** Notes what a test opened; after the test it is closed, the last one first. One that fails to close keeps no other open. */
export function opened<T extends Closable>(closable: T): T {
  all.push(closable);
  return closable;
}

afterEach(async () => {
  const failures: unknown[] = [];
  for (const closable of all.splice(0).reverse()) {
    try {
      await closable.close();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
});
