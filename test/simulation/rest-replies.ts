import type { Message } from "@bufbuild/protobuf";
import { AuthService } from "../../gen/auth/auth_service_pb.js";
import { UpstreamError } from "../../src/transport/outcome.js";
import { decodeRestAnswer, MalformedAnswerError } from "../../src/transport/rest-answer.js";
import { fromHttpStatus, fromNetworkError } from "../../src/transport/rest-outcome.js";
import type { Judgement } from "./authority.js";
import type { Random } from "./random.js";
import type { AnswerBody, Question } from "./records.js";
import { broken, busy, cut, type Fault, type Reply, thrown, timedOut, unreachable } from "./reply.js";

const METHODS = {
  VerifyToken: AuthService.method.verifyToken,
  GetUserLocals: AuthService.method.getUserLocals,
  GetUserPermissions: AuthService.method.getUserPermissions,
  GetOrganization: AuthService.method.getOrganization,
};
const encoder = new TextEncoder();

/** What the service says, as JSON over HTTP. */
export function restTruth(random: Random, question: Question, judgement: Judgement): Reply {
  const isToken = question.operation === "VerifyToken";
  switch (judgement.kind) {
    case "refused":
      return {
        ending: status(question, random.pick(isToken ? [401, 403, 400, 422] : [404, 400, 422])),
        meaning: { kind: "refused", reason: isToken ? "invalid_token" : "lookup_refused" },
      };
    case "inactive": {
      const { is_active: _, ...withoutIt } = toJson(random, question, judgement.body, false);
      const json = random.chance(0.5) ? withoutIt : { ...withoutIt, is_active: false };
      return { ending: ok(question, JSON.stringify(json)), meaning: { kind: "refused", reason: "inactive_user" } };
    }
    case "answer": {
      const text = JSON.stringify(toJson(random, question, judgement.body, true));
      return { ending: ok(question, text), meaning: judgement };
    }
  }
}

/** One of the ways in which REST fails. */
export function restFault(random: Random, question: Question, fault: Fault): Reply {
  const isToken = question.operation === "VerifyToken";
  switch (fault) {
    case "unreachable":
      if (random.chance(0.5)) {
        const code = random.pick(["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EPIPE"]);
        return { meaning: cut, ending: thrown(fromNetworkError({ name: "RequestError", code })) };
      }
      return { meaning: unreachable, ending: status(question, random.pick([502, 503, 504])) };
    case "busy": {
      const seconds = random.pick([0, 1, 1, 3, 30]);
      const [code, meaning] = random.pick([[408, busy] as const, [429, busy] as const, [503, unreachable] as const]);
      return {
        meaning: { ...meaning, retryAfterMs: seconds * 1000 },
        ending: status(question, code, String(seconds)),
      };
    }
    case "timeout":
      return { meaning: timedOut, ending: thrown(fromNetworkError({ name: "TimeoutError", code: "ETIMEDOUT" })) };
    case "credential":
      return { meaning: broken, ending: status(question, isToken ? 404 : random.pick([401, 403])) };
    case "malformed":
      return { meaning: broken, ending: ok(question, random.pick(malformed(question))) };
    case "broken":
      return {
        meaning: broken,
        ending: random.pick([
          () => status(question, random.pick([500, 501, 204, 301, 302, 307, 418])),
          () => thrown(new UpstreamError("rest", "broken", "answer too large")),
          () => thrown(fromNetworkError({ name: "RequestError", code: "HPE_INVALID_CONSTANT" })),
        ])(),
      };
  }
}

/** What the REST leaf does with a status that is not 200. */
function status({ operation }: Question, code: number, retryAfter?: string): () => never {
  return thrown(fromHttpStatus(METHODS[operation], code, retryAfter, () => 0));
}

/** What the REST leaf does with the body of a 200. */
function ok({ operation }: Question, text: string): () => Message {
  return () => {
    try {
      return decodeRestAnswer(METHODS[operation], encoder.encode(text));
    } catch (error) {
      if (error instanceof MalformedAnswerError) throw new UpstreamError("rest", "broken", error.message);
      throw error;
    }
  };
}

function toJson(random: Random, { operation }: Question, body: AnswerBody, isActive: boolean): Record<string, unknown> {
  switch (body.kind) {
    case "user": {
      const { userId, organizationId } = body.user;
      const { email, permissions, locals } = body;
      return random.chance(0.5)
        ? { user_id: userId, organization_id: organizationId, email, is_active: isActive, permissions, locals }
        : { userId, organizationId, email, permissions, locals, extra: null, ...(isActive && { isActive }) };
    }
    case "list":
      return operation === "GetUserLocals"
        ? { locals: body.list.map((id) => ({ id, name: "x" })) }
        : { permissions: body.list };
    case "organization": {
      const { id, name, modules } = body;
      return { id, name, plan: "free", modules, ...(body.isActive && { is_active: true }) };
    }
  }
}

function malformed({ operation }: Question): string[] {
  const wrong: Record<Question["operation"], string[]> = {
    VerifyToken: [
      '{"is_active":true}',
      '{"user_id":"","is_active":true}',
      '{"user_id":7}',
      '{"user_id":"x","locals":{}}',
    ],
    GetUserLocals: ['{"locals":["l-1"]}', '{"locals":{}}', '{"local_ids":["l-1"]}', '{"locals":[{"id":""}]}'],
    GetUserPermissions: ['{"permissions":"write"}', '{"permissions":[1]}', '{"permission":["write"]}'],
    GetOrganization: ['{"name":"x"}', '{"id":""}', '{"id":null}'],
  };
  return [...wrong[operation], "", "{", "null", "[]", "<html>", '{"__proto__":{"user_id":"x"}}'];
}
