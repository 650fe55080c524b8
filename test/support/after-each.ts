import { afterEach } from "@jest/globals";

interface Closable {
  close(): unknown;
}

/** Returns a function that notes what a test opened; after the test it is closed, the last one first. */
export function closedAfterEach(): <T extends Closable>(opened: T) => T {
  const all: Closable[] = [];
  afterEach(async () => {
    for (const opened of all.splice(0).reverse()) await opened.close();
  });
  return (opened) => {
    all.push(opened);
    return opened;
  };
}
