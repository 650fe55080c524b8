import { type CallOptions, createClient, type Transport } from "@connectrpc/connect";
import {
  AuthService,
  type GetOrganizationResponse,
  type GetUserLocalsResponse,
  type GetUserPermissionsResponse,
  type VerifyTokenResponse,
} from "../../../gen/auth/auth_service_pb.js";
import { raceAbort } from "../../runtime/abort.js";
import type { Clock } from "../../runtime/clock.js";
import { createCallContext, MIN_TRY_MS } from "../../transport/call-context.js";
import type { Operation } from "../../transport/operation.js";
import { UpstreamError } from "../../transport/outcome.js";
import type { UserRef } from "../model.js";

/** How an upstream answered one question. */
export type Asked<M = unknown> =
  | { readonly outcome: "answered"; readonly message: M }
  /** `code`: the gRPC code or the HTTP status. */
  | { readonly outcome: "refused"; readonly code: string }
  /** `error`: where the upstream was asked. */
  | { readonly outcome: "failed"; readonly error: UpstreamError | undefined; readonly says: string };

/** The answers to one operation, by its name. */
export interface Answers {
  readonly VerifyToken: VerifyTokenResponse;
  readonly GetUserPermissions: GetUserPermissionsResponse;
  readonly GetUserLocals: GetUserLocalsResponse;
  readonly GetOrganization: GetOrganizationResponse;
}

export type LookUp = Exclude<Operation, "VerifyToken">;

export const LOOK_UPS: readonly LookUp[] = ["GetUserPermissions", "GetUserLocals", "GetOrganization"];
const NAMES = {
  VerifyToken: "verify_token",
  GetUserPermissions: "user_permissions",
  GetUserLocals: "user_locals",
  GetOrganization: "organization",
} as const;

/** The name of an operation in the id of a check. */
export function nameOf(operation: keyof Answers): string {
  return NAMES[operation];
}

export interface QuestionsOptions {
  /** Of one upstream, without its breaker: see pipeline.ts. */
  readonly transport: Transport;
  /** For one call, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
}

/** Puts questions to one upstream, past its breaker. */
export class Questions {
  readonly #options: QuestionsOptions;
  readonly #client;

  constructor(options: QuestionsOptions) {
    this.#options = options;
    this.#client = createClient(AuthService, options.transport);
  }

  verify(token: string): Promise<Asked<VerifyTokenResponse>> {
    return this.#ask((call) => this.#client.verifyToken({ token }, call));
  }

  lookUp<L extends LookUp>(operation: L, { userId, organizationId }: UserRef): Promise<Asked<Answers[L]>> {
    const client = this.#client;
    const asked: Promise<Asked> = this.#ask<unknown>((call) => {
      if (operation === "GetOrganization") return client.getOrganization({ organizationId }, call);
      const user = { userId, organizationId };
      return operation === "GetUserLocals" ? client.getUserLocals(user, call) : client.getUserPermissions(user, call);
    });
    return asked as Promise<Asked<Answers[L]>>;
  }

  async #ask<M>(send: (call: CallOptions) => Promise<M>): Promise<Asked<M>> {
    const { timeoutMs, clock, signal } = this.#options;
    // The service's own credentials may have to be fetched first.
    const contextValues = createCallContext(clock.monotonic() + timeoutMs + MIN_TRY_MS, { fresh: true });
    try {
      const sent = send({ timeoutMs, contextValues, ...(signal && { signal }) });
      return { outcome: "answered", message: await raceAbort(sent, signal) };
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof UpstreamError)) return { outcome: "failed", error: undefined, says: shown(error) };
      if (error.failure === "refused") return { outcome: "refused", code: error.detail };
      return { outcome: "failed", error, says: `${error.failure} (${error.detail})` };
    }
  }
}

/** Its own words where they are ours: what another one says could hold anything. */
function shown(error: unknown): string {
  const { name, message } = error as Error;
  return name === "UnavailableError" ? message : "a fault of our own";
}
