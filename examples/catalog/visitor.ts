import type { Catalog, Stage } from "./stage.js";
import type { Observation } from "./walkthrough.js";

export interface Visit {
  readonly path: string;
  /** Sent as a bearer token. */
  readonly token?: string;
  /** Posted as JSON; without it, the request is a GET. */
  readonly body?: unknown;
  /** Default: the first catalog. */
  readonly catalog?: Pick<Catalog, "url">;
}

/** Makes HTTP requests to a catalog, and watches what they cause behind it. */
export class Visitor {
  readonly #catalog: Catalog;
  readonly #auth: Stage["auth"];
  readonly #breakers = { grpc: "closed", rest: "closed" };
  #fallback: Observation["fallback"];

  constructor(catalog: Catalog, auth: Stage["auth"]) {
    this.#catalog = catalog;
    this.#auth = auth;
    catalog.client.on("breaker", ({ upstream, to }) => {
      this.#breakers[upstream] = to;
    });
    catalog.client.on("fallback", ({ reason }) => {
      this.#fallback = reason;
    });
  }

  /** Whether both breakers are closed. */
  get healthy(): boolean {
    return Object.values(this.#breakers).every((state) => state === "closed");
  }

  /** One request, and what it caused. */
  visit(visit: Visit): Promise<Observation> {
    return this.watch(() => this.#request(visit));
  }

  /** What the last of some requests was answered, and what all of them caused. */
  async watch(act: () => Promise<Observation>): Promise<Observation> {
    const { grpc, rest } = this.#auth;
    const before = { grpc: grpc.calls, rest: rest.calls };
    this.#fallback = undefined;
    const answer = await act();
    return {
      ...answer,
      grpcCalls: grpc.calls - before.grpc,
      restCalls: rest.calls - before.rest,
      fallback: this.#fallback,
      grpcBreaker: this.#breakers.grpc,
      restBreaker: this.#breakers.rest,
    };
  }

  async #request({ path, token, body, catalog = this.#catalog }: Visit): Promise<Observation> {
    const response = await fetch(catalog.url + path, {
      headers: {
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...(body !== undefined && { "Content-Type": "application/json" }),
      },
      ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
    });
    const { code } = (await response.json()) as { code?: string };
    return {
      status: response.status,
      code,
      source: response.headers.get("X-Auth-Source") ?? undefined,
      retryAfter: response.headers.has("Retry-After"),
    };
  }
}
