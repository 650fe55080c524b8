// An application that asks while its process may open no more files, and once more when it may again.
import { closeSync, openSync } from "node:fs";
import { type AuthClientOptions, type AuthError, createAuthClient } from "../../src/client.js";

const [upstream = "", url = ""] = process.argv.slice(2);
const CALLS = 6;

function create() {
  const options = { [upstream]: { url, timeoutMs: 5000 }, retry: { attempts: 1 }, cache: { ttlMs: 0 }, logger: false };
  return createAuthClient(options as AuthClientOptions);
}

function takeAllFiles(): readonly number[] {
  const files: number[] = [];
  try {
    for (;;) files.push(openSync("/dev/null", "r"));
  } catch {
    return files;
  }
}

const first = create();
await first.verifyToken("token-ana"); // what is loaded when it is needed cannot be loaded now
const client = create();
const answers: object[] = [];
const ask = async () => {
  const start = performance.now();
  const answer = await client.verifyToken("token-ana").then(
    ({ source }) => ({ status: 200, source }),
    ({ status, code }: AuthError) => ({ status, code }),
  );
  answers.push({ token: "new", ...answer, tookMs: performance.now() - start });
};
const files = takeAllFiles();
for (let call = 0; call < CALLS; call++) await ask();
for (const file of files) closeSync(file);
await ask();
process.stdout.write(JSON.stringify(answers));
await Promise.all([first.close(), client.close()]);
