import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { type VerifyTokenRequest, VerifyTokenResponseSchema } from "portero/proto";
import { localsOf, subjectOf } from "./tokens.js";

export interface InMemoryServiceOptions {
  /** What every question waits for. Default: nothing. */
  readonly turn?: () => Promise<unknown>;
  /** Every user has so many. Default: those that the token names. */
  readonly locals?: number;
}

/**
 * The auth service of the benches without a network, for millions of questions in this process. Answers are encoded and decoded, so
 * that their strings are as fresh as those off the wire.
 */
export function inMemoryService({ turn, locals }: InMemoryServiceOptions = {}): Transport {
  const empty = new Headers();
  const transport = {
    async unary(method: { parent: unknown }, ...[, , , request]: unknown[]) {
      await turn?.();
      const message = answerTo((request as VerifyTokenRequest).token, locals);
      return { stream: false, service: method.parent, method, header: empty, message, trailer: empty };
    },
    stream: () => Promise.reject(new ConnectError("there are no streams", Code.Unimplemented)),
  };
  return transport as unknown as Transport;
}

function answerTo(token: string, count: number | undefined) {
  const user = subjectOf(token);
  if (!user) throw new ConnectError("unknown token", Code.Unauthenticated);
  const { sub: userId, org: organizationId, email, permissions } = user;
  const locals = count === undefined ? user.locals : localsOf(0, count);
  const answer = { userId, organizationId, email, permissions, locals, isActive: true };
  const message = create(VerifyTokenResponseSchema, answer);
  return fromBinary(VerifyTokenResponseSchema, toBinary(VerifyTokenResponseSchema, message));
}
