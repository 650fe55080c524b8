import { createServer } from "node:http";
import { getAuth, type Handler, requireAuth, requirePermission } from "portero";

const doorman: readonly Handler[] = [requireAuth(), requirePermission("products:read")];

// The middleware fits Node's own request and response: no framework is needed, nor its types.
export const server = createServer((req, res) => {
  const run = (at: number): void => {
    const handler = doorman[at];
    if (handler) handler(req, res, (error) => (error ? res.writeHead(500).end() : run(at + 1)));
    else res.end(getAuth(req).user.id);
  };
  run(0);
});
