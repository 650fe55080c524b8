import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { AuthError, authenticate, createAuthClient, optionsFromEnv, type VerifiedToken } from "portero/client";
import { type Namespace, Server, type Socket } from "socket.io";

/** How often an open socket is looked at, and how old the answer about its token may be: twice that is the most. */
const VERIFY_EACH_MS = Number(process.env.VERIFY_EACH_MS ?? 120_000);

const settings = optionsFromEnv();
const client = createAuthClient({ ...settings, cache: { ...settings.cache, ttlMs: VERIFY_EACH_MS } });
const http = createServer();
const io = new Server(http);

/** A browser cannot give a WebSocket headers: the token is in what the page passes to `io(url, { auth: { token } })`. */
const verify = ({ handshake }: Socket): Promise<VerifiedToken> =>
  authenticate(handshake, { client, token: ({ auth }) => auth.token });

/** What the client's `connect_error` and acknowledgements get. Other errors may hold what is not for its eyes. */
function answerTo(error: unknown) {
  if (!(error instanceof AuthError)) return { status: 500, code: "internal", retryAfter: undefined };
  return { status: error.status, code: error.code, retryAfter: error.headers["Retry-After"] };
}

/** An event may come without an acknowledgement, or with anything in its place; what a listener throws would end the process. */
function reply(answer: unknown, data: object): void {
  if (typeof answer === "function") answer(data);
}

function guard(namespace: Namespace): void {
  namespace.use(async (socket, next) => {
    try {
      socket.data.auth = await verify(socket);
      next();
    } catch (error) {
      const data = answerTo(error);
      next(Object.assign(new Error(data.code), { data }));
    }
  });
  namespace.on("connection", watch);
}

/** Ends the connection once its token would be refused, and keeps `socket.data.auth` as the auth service has it. */
function watch(socket: Socket): void {
  let stop = () => {};
  const listen = (auth: VerifiedToken) => {
    stop();
    if (socket.disconnected) return;
    socket.data.auth = auth;
    stop = client.onInvalidated(auth, (reason) => (reason === "expired" ? socket.disconnect(true) : look()));
  };
  const look = async () => {
    try {
      listen(await verify(socket)); // still good: its permissions may have changed
    } catch {
      socket.disconnect(true); // over, refused, or the service cannot be asked
    }
  };
  const timer = setInterval(look, VERIFY_EACH_MS);
  socket.on("disconnect", () => {
    clearInterval(timer);
    stop();
  });
  listen(socket.data.auth);
}

guard(io.of("/"));
io.on("new_namespace", guard); // each other one: clients reach it without passing "/"

io.on("connection", (socket) => {
  socket.on("whoami", (answer) => reply(answer, { user: socket.data.auth.user.id, locals: socket.data.auth.locals }));
  socket.on("products:add", (_name, answer) => {
    const isAllowed = socket.data.auth.user.permissions.includes("products:write");
    reply(answer, isAllowed ? { status: 201 } : answerTo(new AuthError("insufficient_scope")));
  });
  // The page, or a call of yours here, revokes the token at the auth service first: portero cannot. Then all connections with it end, on other
  // processes too where there is Redis; else this one alone.
  socket.on("logout", async () => {
    await client.invalidateToken(socket.handshake.auth.token).catch(console.error);
    socket.disconnect(true);
  });
});
io.of("/admin").on("connection", (socket) => {
  socket.emit("hello", socket.data.auth.user.id);
});

http.listen(Number(process.env.PORT ?? 3000), () => {
  console.log(`http://localhost:${(http.address() as AddressInfo).port}`);
});
