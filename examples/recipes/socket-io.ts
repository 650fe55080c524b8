import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { AuthError, authenticate, getAuthClient, type VerifiedToken } from "portero/client";
import { Server, type Socket } from "socket.io";

const client = getAuthClient(); // configured from the environment
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

io.use(async (socket, next) => {
  try {
    socket.data.auth = await verify(socket);
    next();
  } catch (error) {
    const data = answerTo(error);
    next(Object.assign(new Error(data.code), { data }));
  }
});

io.on("connection", (socket) => {
  let stop = () => {};
  const listen = (auth: VerifiedToken) => {
    if (socket.disconnected) return;
    socket.data.auth = auth;
    stop = client.onInvalidated(auth, async (reason) => {
      try {
        if (reason === "expired") throw new Error("the token has ended");
        listen(await verify(socket)); // still good: its permissions may have changed
      } catch {
        socket.disconnect(true); // over, refused, or the service cannot be asked
      }
    });
  };
  listen(socket.data.auth);
  socket.on("disconnect", () => stop());

  socket.on("whoami", (answer) => reply(answer, { user: socket.data.auth.user.id, locals: socket.data.auth.locals }));
  socket.on("products:add", (_name, answer) => {
    const isAllowed = socket.data.auth.user.permissions.includes("products:write");
    reply(answer, isAllowed ? { status: 201 } : answerTo(new AuthError("insufficient_scope")));
  });
  // For when the page has had its token revoked at the auth service. All connections with it end, on other processes too where there is Redis.
  socket.on("logout", () => client.invalidateToken(socket.handshake.auth.token).catch(() => socket.disconnect(true)));
});

http.listen(Number(process.env.PORT ?? 3000), () => {
  console.log(`http://localhost:${(http.address() as AddressInfo).port}`);
});
