import * as http2 from "node:http2";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { AuthService } from "../../gen/auth/auth_service_pb.js";
import type { Operation } from "../transport/operation.js";
import type { Directory } from "./directory.js";
import { type Place, Side, type SideServer } from "./side.js";

/** The gRPC side: a real HTTP/2 server that speaks gRPC. */
export class GrpcSide extends Side {
  readonly #directory: Directory;

  constructor(directory: Directory, place: Place) {
    super(place);
    this.#directory = directory;
  }

  protected createServer(): SideServer {
    const handle = connectNodeAdapter({ routes: (router) => router.service(AuthService, this.#handlers()) });
    const server = http2.createServer((request, response) => {
      try {
        handle(request, response);
      } catch {
        response.writeHead(400).end(); // Connect throws for an `:authority` that is none; uncaught, it would end the process
      }
    });
    const sessions = new Set<http2.ServerHttp2Session>();
    server.on("session", (session) => {
      sessions.add(session);
      session.once("close", () => sessions.delete(session));
    });
    const endConnections = () => {
      for (const session of sessions) session.destroy();
    };
    return { server, endConnections };
  }

  #handlers() {
    const directory = this.#directory;
    const user = (found: ReturnType<Directory["byId"]>) => found ?? notFound();
    return {
      verifyToken: async ({ token }: { token: string }, context: HandlerContext) => {
        await this.#decide("VerifyToken", context);
        const found = directory.byToken(token);
        if (!found) throw new ConnectError("no such token", Code.Unauthenticated);
        const { id, organizationId, email, isActive, permissions, locals } = found;
        return { userId: id, organizationId, email, isActive, permissions: [...permissions], locals: [...locals] };
      },
      getUserPermissions: async (ref: { userId: string; organizationId: string }, context: HandlerContext) => {
        await this.#decide("GetUserPermissions", context);
        return { permissions: [...user(directory.byId(ref.userId, ref.organizationId)).permissions] };
      },
      getUserLocals: async (ref: { userId: string; organizationId: string }, context: HandlerContext) => {
        await this.#decide("GetUserLocals", context);
        return { localIds: [...user(directory.byId(ref.userId, ref.organizationId)).locals] };
      },
      getOrganization: async ({ organizationId }: { organizationId: string }, context: HandlerContext) => {
        await this.#decide("GetOrganization", context);
        const { modules, ...organization } = directory.organization(organizationId) ?? notFound();
        return { ...organization, modules: [...modules] };
      },
    };
  }

  async #decide(operation: Operation, { requestHeader }: HandlerContext): Promise<void> {
    const behaviour = await this.take(operation, Object.fromEntries(requestHeader));
    if (behaviour.kind === "refuse") throw new ConnectError("refused", behaviour.code ?? Code.Unauthenticated);
    if (behaviour.kind === "fail") throw new ConnectError("failed", behaviour.code ?? Code.Unavailable);
  }
}

function notFound(): never {
  throw new ConnectError("not found", Code.NotFound);
}
