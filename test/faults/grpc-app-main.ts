// An application that asks four times, says what it got, and then has nothing more to do. It does not close its client.
import { type AuthError, createAuthClient } from "../../src/client.js";
import { ONE_CONNECTION } from "../support/one-connection.js";

const client = createAuthClient({
  grpc: { ...ONE_CONNECTION, url: process.argv[2] ?? "", timeoutMs: 200 },
  retry: { attempts: 1 },
  cache: { ttlMs: 0 },
  logger: false,
});
const answers: object[] = [];
for (let call = 0; call < 4; call++) {
  const start = performance.now();
  const answer = await client.verifyToken("token").then(
    () => ({ status: 200, source: "grpc" }),
    ({ status, code }: AuthError) => ({ status, code }),
  );
  answers.push({ token: "new", ...answer, tookMs: performance.now() - start });
}
process.stdout.write(JSON.stringify(answers));
