import { type ContextValues, createClient, type Transport } from "@connectrpc/connect";
import { AuthService, type VerifyTokenResponse } from "../../gen/auth/auth_service_pb.js";
import type { AskOptions, Verdict } from "../cache/spec.js";
import type { Clock } from "../runtime/clock.js";
import { answeredBy, createCallContext } from "../transport/call-context.js";
import { UpstreamError } from "../transport/outcome.js";
import type { Organization, User, UserRef } from "./model.js";
import type { StringLists } from "./string-lists.js";

/** The service's answer about a token, without what the token says of itself. */
export interface TokenAnswer {
  readonly user: User;
  readonly locals: readonly string[];
}

export type TokenRefusal = "invalid_token" | "inactive_user";
export type LookupRefusal = "lookup_refused";

/** No token of any service: what `ready({ ask: true })` asks about, and `diagnose()`. */
export const NO_TOKEN = "portero-ready";

type Ask<Q, V, R> = (question: Q, options: AskOptions) => Promise<Verdict<V, R>>;

/** The four questions, asked of the service itself. They reject when the service could not tell. */
export interface RemoteAuthService {
  readonly verifyToken: Ask<string, TokenAnswer, TokenRefusal>;
  readonly getUserLocals: Ask<UserRef, readonly string[], LookupRefusal>;
  readonly getUserPermissions: Ask<UserRef, readonly string[], LookupRefusal>;
  readonly getOrganization: Ask<string, Organization, LookupRefusal>;
}

export interface RemoteAuthServiceOptions {
  clock: Clock;
  /** Time for one question, in milliseconds. */
  deadlineMs: number;
  /** Ends every question. */
  signal: AbortSignal;
  lists: StringLists;
}

/** Asks through the generated client, and makes the model of its messages: frozen, with strings and lists that are shared. */
export function createRemoteAuthService(transport: Transport, options: RemoteAuthServiceOptions): RemoteAuthService {
  const client = createClient(AuthService, transport);
  const { deadlineMs, signal, lists } = options;

  async function ask<M, V, R>(
    call: (options: { signal: AbortSignal; contextValues: ContextValues }) => Promise<M>,
    judge: (message: M) => Judgement<V, R>,
    refusal: R,
    asking: AskOptions,
  ): Promise<Verdict<V, R>> {
    const contextValues = createCallContext(asking.since + deadlineMs, asking);
    try {
      const judgement = judge(await call({ signal, contextValues }));
      const source = answeredBy(contextValues) ?? "grpc";
      return judgement.kind === "answer" ? { ...judgement, source } : { ...judgement, source, isInformed: true };
    } catch (error) {
      if (!(error instanceof UpstreamError && error.failure === "refused")) throw error;
      return { kind: "refusal", reason: refusal, source: error.upstream, isInformed: false };
    }
  }

  return {
    verifyToken: (token, options) =>
      ask((call) => client.verifyToken({ token }, call), judgeUser, "invalid_token", options),
    getUserLocals: (user, options) =>
      ask(
        (call) => client.getUserLocals(user, call),
        ({ localIds }) => answer(lists.ofInterned(localIds)),
        "lookup_refused",
        options,
      ),
    getUserPermissions: (user, options) =>
      ask(
        (call) => client.getUserPermissions(user, call),
        ({ permissions }) => answer(lists.of(permissions)),
        "lookup_refused",
        options,
      ),
    getOrganization: (organizationId, options) =>
      ask(
        (call) => client.getOrganization({ organizationId }, call),
        ({ id, name, plan, isActive, modules }) =>
          answer(Object.freeze({ id, name, plan, isActive, modules: lists.of(modules) })),
        "lookup_refused",
        options,
      ),
  };

  function judgeUser(message: VerifyTokenResponse): Judgement<TokenAnswer, TokenRefusal> {
    if (!message.isActive) return { kind: "refusal", reason: "inactive_user" };
    const { userId, organizationId, email, permissions, locals } = message;
    const user = Object.freeze({ id: userId, organizationId, email, permissions: lists.of(permissions) });
    return answer({ user, locals: lists.ofInterned(locals) });
  }
}

/**
 * Asks one upstream, past the stages that know several, whether it is an auth service: resolves when it answers VerifyToken, or refuses.
 *
 * @param timeoutMs of the call
 */
export function createProbe(transport: Transport, timeoutMs: number): (signal: AbortSignal) => Promise<void> {
  const client = createClient(AuthService, transport);
  return async (signal) => {
    try {
      await client.verifyToken({ token: NO_TOKEN }, { signal, timeoutMs });
    } catch (error) {
      if (!(error instanceof UpstreamError && error.failure === "refused")) throw error;
    }
  };
}

/** A verdict without its source. */
type Judgement<V, R> =
  | { readonly kind: "answer"; readonly value: V }
  | { readonly kind: "refusal"; readonly reason: R };

function answer<V>(value: V): Judgement<V, never> {
  return { kind: "answer", value };
}
