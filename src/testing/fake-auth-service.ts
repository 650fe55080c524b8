import { Directory } from "./directory.js";
import type { DirectoryOptions, TestOrganization, TestUser } from "./directory-options.js";
import { GrpcSide } from "./grpc-side.js";
import { RestSide } from "./rest-side.js";
import type { CallCounts, Side } from "./side.js";

/** A fake auth service over real gRPC (HTTP/2) and real REST, on free ports of this machine. */
export interface FakeAuthService {
  readonly grpc: Side;
  readonly rest: Side;
  /**
   * What `createAuthClient` needs to find it: `createAuthClient({ ...service.upstreams })`. Over one gRPC connection, as behind two there might
   * be two servers: then the calls that reach it are those that were asked, and no more.
   */
  readonly upstreams: { grpc: { url: string; connections?: { min: number } }; rest: { url: string } };
  /** The questions that reached either side. */
  readonly calls: CallCounts;
  /** Makes the token good, on both sides. */
  allow(token: string, user: TestUser): void;
  /** Makes the token bad, on both sides. */
  refuse(token: string): void;
  setOrganization(id: string, organization: TestOrganization): void;
  /** Counts from zero again, on both sides. */
  resetCalls(): void;
  /** Ends both servers and every connection to them. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a fake auth service for tests.
 *
 * @example
 * const service = await startAuthService({ users: { "token-ana": { id: "ana", locals: ["madrid"] } } });
 * const client = createAuthClient(service.upstreams);
 * await service.grpc.stop(); // and now REST answers
 * @throws ConfigError, as a rejection, for a user or an organization that cannot be one
 */
export async function startAuthService(options: DirectoryOptions = {}): Promise<FakeAuthService> {
  const directory = new Directory(options);
  const grpc = new GrpcSide(directory);
  const rest = new RestSide(directory);
  await Promise.all([grpc.start(), rest.start()]);
  const service: FakeAuthService = {
    grpc,
    rest,
    upstreams: { grpc: { url: grpc.url, connections: { min: 1 } }, rest: { url: rest.url } },
    get calls() {
      const sum = { ...grpc.calls };
      for (const operation of Object.keys(sum) as (keyof CallCounts)[]) sum[operation] += rest.calls[operation];
      return sum;
    },
    allow: (token, user) => directory.setUser(token, user),
    refuse: (token) => directory.removeUser(token),
    setOrganization: (id, organization) => directory.setOrganization(id, organization),
    resetCalls() {
      grpc.resetCalls();
      rest.resetCalls();
    },
    async close() {
      grpc.allow(); // answers what hangs
      rest.allow();
      await Promise.all([grpc.stop(), rest.stop()]);
    },
    [Symbol.asyncDispose]: () => service.close(),
  };
  return service;
}
