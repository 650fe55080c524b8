import { Directory } from "./directory.js";
import type { TestOrganization, TestUser } from "./directory-options.js";
import { GrpcSide } from "./grpc-side.js";
import { type OtherRoutes, RestSide } from "./rest-side.js";
import { type FakeAuthServiceOptions, readServiceOptions } from "./service-options.js";
import type { CallCounts, Side } from "./side.js";

/** A fake auth service over real gRPC (HTTP/2) and real REST, on ports of this machine. */
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
 * Starts a fake auth service for tests, on free ports unless others are named. Rejects with Node's `EADDRINUSE` where a port is taken.
 *
 * @example
 * const service = await startAuthService({ users: { "token-ana": { id: "ana", locals: ["madrid"] } } });
 * const client = createAuthClient(service.upstreams);
 * await service.grpc.stop(); // and now REST answers
 * @throws ConfigError, as a rejection, for a user or an organization that cannot be one
 */
export async function startAuthService(options: FakeAuthServiceOptions = {}): Promise<FakeAuthService> {
  const places = readServiceOptions(options);
  const { users, organizations } = options;
  return startWith(new Directory({ ...(users && { users }), ...(organizations && { organizations }) }), places);
}

/** The same, with a directory that its owner changes, and with requests to REST that the contract does not know. */
export async function startWith(
  directory: Directory,
  places: ReturnType<typeof readServiceOptions>,
  otherRoutes?: OtherRoutes,
): Promise<FakeAuthService> {
  const grpc = new GrpcSide(directory, places.grpc);
  const rest = new RestSide(directory, places.rest, otherRoutes);
  const started = await Promise.allSettled([grpc.start(), rest.start()]);
  const failed = started.find((each) => each.status === "rejected");
  if (failed) {
    await Promise.all([grpc.stop(), rest.stop()]);
    throw failed.reason;
  }
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
