import { create } from "@bufbuild/protobuf";
import { VerifyTokenResponseSchema } from "../../gen/auth/auth_service_pb.js";
import type { AuthClient } from "../../src/auth/auth-client.js";
import { assembleAuthClient } from "../../src/auth/create-auth-client.js";
import type { AuthError } from "../../src/auth/errors.js";
import { UpstreamError } from "../../src/transport/outcome.js";
import { unaryTransport } from "../../src/transport/stage.js";
import { Chronicle } from "./chronicle.js";
import { Random } from "./random.js";
import { Names } from "./replica-names.js";
import { GARBAGE, POISON, ReplicaServer } from "./replica-server.js";
import { drawReplicaSettings, type ReplicaSettings } from "./replica-settings.js";
import { ReplicaWatch } from "./replica-watch.js";
import { OwnedClock, VirtualClock } from "./virtual-clock.js";

/** A stream of randomness of its own: the same seed is another world beside this one. */
const STREAM = 2000;
/** Those who are known have so many tokens: hardly ever is one asked about twice at once. */
export const TOKENS = 64;

/** A client, the replicas that it asks, and the name server that leads to them. */
export class ReplicaWorld {
  readonly settings: ReplicaSettings;
  readonly clock = new VirtualClock();
  readonly chronicle = new Chronicle(this.clock);
  readonly watch: ReplicaWatch;
  readonly random: Random;
  /** Those that have ended, too. */
  readonly servers: ReplicaServer[] = [];
  readonly names: Names;
  readonly client: AuthClient;
  /** The client's. */
  readonly ownClock = new OwnedClock(this.clock);
  requests = 0;
  waiting = 0;

  constructor(seed: number) {
    const random = new Random(seed, STREAM);
    this.random = random;
    this.settings = drawReplicaSettings(random);
    for (let index = 0; index < this.settings.replicas; index++) this.addServer();
    this.names = new Names(this.servers, this.clock, random);
    this.watch = new ReplicaWatch(this.settings, {
      clock: this.clock,
      chronicle: this.chronicle,
      servers: { all: this.servers, listed: this.names.listed, hiddenAt: this.names.hiddenAt },
    });
    this.client = this.#createClient(new Random(seed, STREAM + 1));
    const { limit } = this.client.status().upstream;
    this.watch.isLimited = () => this.client.status().upstream.limit < limit;
  }

  get listening(): ReplicaServer[] {
    return this.servers.filter(({ condition }) => condition !== "gone");
  }

  addServer(): ReplicaServer {
    const server = new ReplicaServer(this.servers.length, this.clock, this.random);
    this.servers.push(server);
    return server;
  }

  /** @returns how long to wait for the next thing */
  ask(token = this.#drawToken()): number {
    const askedAt = this.clock.time;
    this.requests++;
    this.waiting++;
    this.chronicle.record("", "ask", token);
    this.client
      .verifyToken(token, { fresh: true })
      .then(
        () => this.watch.answered(token, askedAt),
        ({ code }: AuthError) => this.watch.failed(token, code),
      )
      .finally(() => this.waiting--);
    return this.random.ms(0, 20);
  }

  #drawToken(): string {
    const random = this.random;
    if (this.settings.hasPoison && random.chance(0.3)) return `${POISON}-${this.requests}`;
    if (random.chance(0.1)) return `${GARBAGE}-${this.requests}`;
    return this.settings.isKnown ? `t-${this.requests % TOKENS}` : `t-${this.requests}`;
  }

  #createClient(random: Random): AuthClient {
    const { isNamed, grpcMs, restMs, hedgeMs, failureThreshold } = this.settings;
    const url = isNamed
      ? "http://auth.internal:50051"
      : this.servers.map(({ addresses }) => `http://${addresses[0]}:50051`);
    const logger = { info() {}, warn() {}, error() {} };
    const rest = this.#rest();
    const client = assembleAuthClient(
      {
        grpc: { url, timeoutMs: grpcMs, hedgeMs, connections: { min: 1 } },
        rest: { url: "http://rest.example", timeoutMs: restMs },
        breaker: { failureThreshold },
        ...{ clock: this.ownClock, random: random.next, logger },
      },
      {
        grpc: ({ host }, onChange) =>
          this.servers.find(({ addresses }) => addresses.includes(host))!.link(host, onChange, this.watch),
        rest: () => ({ transport: rest, anew: rest, renew() {}, async warm() {}, close() {} }),
        lookup: this.names.lookup,
      },
    );
    client.on("breaker", ({ upstream, from, to }) => this.watch.breakerMoved(upstream, from, to));
    client.on("replica", ({ address, to }) => this.watch.replicaMoved(address, to));
    return client;
  }

  /** The other way to the service, which is always well. */
  #rest() {
    return unaryTransport(async ({ message, context, method }) => {
      const { token } = message as unknown as { token: string };
      this.watch.fellBack(context, token);
      if (token.startsWith(POISON)) throw new UpstreamError("rest", "broken", "HTTP 500");
      if (token.startsWith(GARBAGE)) throw new UpstreamError("rest", "refused", "HTTP 401");
      const answer = create(VerifyTokenResponseSchema, { userId: "u", organizationId: "o", isActive: true });
      const headers = { header: new Headers(), trailer: new Headers() };
      return { ...headers, stream: false, service: method.parent, method, message: answer } as never;
    });
  }
}
