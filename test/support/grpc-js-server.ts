import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

/** What a handler of the other implementation gets; messages are plain objects in snake_case. */
export type GrpcJsCall = grpc.ServerUnaryCall<Readonly<Record<string, string>>, object>;
export type GrpcJsHandler = (call: GrpcJsCall, callback: grpc.sendUnaryData<object>) => void;
export type GrpcJsHandlers = Readonly<Partial<Record<GrpcJsMethod, GrpcJsHandler>>>;
type GrpcJsMethod = "VerifyToken" | "GetUserPermissions" | "GetUserLocals" | "GetOrganization";

const PROTO = fileURLToPath(new URL("../../proto/auth/auth_service.proto", import.meta.url));

/** An auth service that shares nothing with portero but the .proto file. */
export async function startGrpcJs(
  handlers: GrpcJsHandlers,
  credentials = grpc.ServerCredentials.createInsecure(),
  options: grpc.ServerOptions = {},
) {
  const definition = loadSync(PROTO, { keepCase: true, defaults: true });
  const auth = (grpc.loadPackageDefinition(definition) as { auth?: { AuthService?: grpc.ServiceClientConstructor } })
    .auth?.AuthService;
  if (!auth) throw new Error("the .proto file has no auth.AuthService");
  const server = new grpc.Server(options);
  server.addService(auth.service, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  return { port, url: `http://127.0.0.1:${port}`, close: () => server.forceShutdown() };
}
