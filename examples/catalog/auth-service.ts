import * as http from "node:http";
import * as http2 from "node:http2";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import express from "express";
import { AuthService } from "portero/proto";
import { findOrganization, findUser, type User } from "./directory.js";
import { Listener } from "./listener.js";
import { createTokens, type Tokens } from "./tokens.js";

/** One face of the auth service. */
export interface Side {
  readonly url: string;
  /** Questions that reached it. */
  readonly calls: number;
  /** Starts it again, at the same address. */
  start(): Promise<void>;
  /** Ends it at once, with every connection. */
  stop(): Promise<void>;
}

/** A server beside the first one, for the same users. */
export interface Replica extends Side {
  /** Takes questions from now on, and answers none. */
  hang(): void;
}

/** An auth service for development: real RS256 tokens, users from a file. */
export interface DevAuthService {
  readonly grpc: Side;
  readonly rest: Side;
  /** A JWT of the user, good for an hour unless told otherwise. */
  readonly signToken: Tokens["sign"];
  /** One more server of gRPC, at an address of its own. */
  openReplica(): Promise<Replica>;
  stop(): Promise<void>;
}

/** @param ports 0, the default, = any free one */
export async function startDevAuthService(ports: { grpc?: number; rest?: number } = {}): Promise<DevAuthService> {
  const tokens = await createTokens();
  const grpc = new ListeningSide((count) => grpcServer(tokens, count), ports.grpc);
  const rest = new ListeningSide((count) => restServer(tokens, count), ports.rest);
  const replicas: ListeningSide[] = [];
  const openReplica = async () => {
    const replica = new HangingSide((count) => grpcServer(tokens, count));
    replicas.push(replica);
    await replica.start();
    return replica;
  };
  const stop = async () => void (await Promise.all([grpc, rest, ...replicas].map((side) => side.stop())));
  try {
    await Promise.all([grpc.start(), rest.start()]);
  } catch (error) {
    await stop(); // one port was taken: do not leave the other side up
    throw error;
  }
  return { grpc, rest, signToken: tokens.sign, openReplica, stop };
}

/** Told of each question, which waits for what it returns. */
type Count = () => unknown;

class ListeningSide extends Listener implements Side {
  calls = 0;

  constructor(create: (count: Count) => http.Server | http2.Http2Server, port?: number) {
    super(() => create(() => this.count()), port);
  }

  protected count(): unknown {
    return this.calls++;
  }
}

class HangingSide extends ListeningSide implements Replica {
  #hangs = false;

  hang(): void {
    this.#hangs = true;
  }

  protected override count(): unknown {
    super.count();
    return this.#hangs ? new Promise(() => undefined) : undefined;
  }
}

/** gRPC over HTTP/2: the generated service, implemented with Connect. */
function grpcServer(tokens: Tokens, count: Count): http2.Http2Server {
  const implementation: ServiceImpl<typeof AuthService> = {
    async verifyToken({ token }) {
      await count();
      const user = findUser(await tokens.verify(token));
      if (!user) throw new ConnectError("the token is not valid", Code.Unauthenticated);
      const { id: userId, organizationId, email, isActive, permissions, locals } = user;
      return { userId, organizationId, email, isActive, permissions, locals };
    },
    getUserPermissions({ userId, organizationId }) {
      count();
      return { permissions: (findUser(userId, organizationId) ?? notFound()).permissions };
    },
    getUserLocals({ userId, organizationId }) {
      count();
      return { localIds: (findUser(userId, organizationId) ?? notFound()).locals };
    },
    getOrganization({ organizationId }) {
      count();
      return findOrganization(organizationId) ?? notFound();
    },
  };
  return http2.createServer(connectNodeAdapter({ routes: (router) => router.service(AuthService, implementation) }));
}

function notFound(): never {
  throw new ConnectError("not found", Code.NotFound);
}

/** The same four questions over REST. */
function restServer(tokens: Tokens, count: Count): http.Server {
  const app = express();
  app.use((_req, _res, next) => {
    count();
    next();
  });

  app.post("/auth/verify", express.json(), async (req, res) => {
    const user = findUser(await tokens.verify(String(req.body?.token)));
    if (!user) return void res.status(401).json({ detail: "the token is not valid" });
    const { id, organizationId, email, isActive, permissions, locals } = user;
    res.json({ user_id: id, organization_id: organizationId, email, is_active: isActive, permissions, locals });
  });

  // The organization of a look-up comes as a header.
  const userOf = (req: express.Request<{ userId: string }>): User | undefined =>
    findUser(req.params.userId, req.get("X-Tenant-ID") ?? "");

  app.get("/api/v1/users/:userId/locals", (req, res) => {
    const user = userOf(req);
    if (!user) return void res.status(404).json({ detail: "not found" });
    res.json({ locals: user.locals.map((id) => ({ id })) });
  });
  app.get("/api/v1/users/:userId/permissions", (req, res) => {
    const user = userOf(req);
    if (!user) return void res.status(404).json({ detail: "not found" });
    res.json({ permissions: user.permissions });
  });
  app.get("/api/v1/organizations/:organizationId", (req, res) => {
    const organization = findOrganization(req.params.organizationId);
    if (!organization) return void res.status(404).json({ detail: "not found" });
    const { isActive, ...rest } = organization;
    res.json({ ...rest, is_active: isActive });
  });
  return http.createServer(app);
}
