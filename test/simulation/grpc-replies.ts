import { create, type Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  GetOrganizationResponseSchema,
  GetUserLocalsResponseSchema,
  GetUserPermissionsResponseSchema,
  VerifyTokenResponseSchema,
} from "../../gen/auth/auth_service_pb.js";
import type { Judgement } from "./authority.js";
import type { Random } from "./random.js";
import type { AnswerBody, Question } from "./records.js";
import { broken, busy, cut, type Fault, type Reply, thrown, timedOut, unreachable } from "./reply.js";

const TOKEN_REFUSALS = [Code.Unauthenticated, Code.InvalidArgument, Code.NotFound, Code.PermissionDenied];
const LOOKUP_REFUSALS = [Code.InvalidArgument, Code.NotFound];

/** What the service says, as gRPC says it. */
export function grpcTruth(random: Random, question: Question, judgement: Judgement): Reply {
  const isToken = question.operation === "VerifyToken";
  switch (judgement.kind) {
    case "refused":
      return {
        ending: thrown(status(random.pick(isToken ? TOKEN_REFUSALS : LOOKUP_REFUSALS))),
        meaning: { kind: "refused", reason: isToken ? "invalid_token" : "lookup_refused" },
      };
    case "inactive":
      return {
        ending: () => toMessage(question, judgement.body, false),
        meaning: { kind: "refused", reason: "inactive_user" },
      };
    case "answer":
      return { ending: () => toMessage(question, judgement.body, true), meaning: judgement };
  }
}

/** One of the ways in which gRPC fails. */
export function grpcFault(random: Random, question: Question, fault: Fault): Reply {
  const isToken = question.operation === "VerifyToken";
  switch (fault) {
    case "unreachable":
      if (random.chance(0.4)) {
        return {
          meaning: unreachable,
          ending: thrown(
            random.pick([
              status(Code.Unavailable),
              status(Code.Canceled),
              new ConnectError("HTTP 503", Code.Unavailable),
              new ConnectError("it speaks for itself", Code.Unavailable),
            ]),
          ),
        };
      }
      return {
        meaning: cut,
        ending: thrown(
          random.pick([
            () => caused(Code.Unavailable, "ECONNREFUSED"),
            () => caused(Code.Internal, "ECONNRESET"),
            () => caused(Code.Canceled, "ERR_HTTP2_STREAM_ERROR"),
            () => new ConnectError("http/2 stream closed with error code ENHANCE_YOUR_CALM", Code.ResourceExhausted),
          ])(),
        ),
      };
    case "busy":
      return {
        meaning: busy,
        ending: thrown(random.pick([status(Code.ResourceExhausted), new ConnectError("HTTP 429", Code.Unavailable)])),
      };
    case "timeout":
      return { meaning: timedOut, ending: thrown(status(Code.DeadlineExceeded)) };
    case "credential":
      return isToken
        ? { meaning: broken, ending: thrown(new ConnectError("HTTP 401", Code.Unauthenticated)) }
        : { meaning: broken, ending: thrown(status(random.pick([Code.Unauthenticated, Code.PermissionDenied]))) };
    case "malformed":
      if (isToken) return { meaning: broken, ending: () => create(VerifyTokenResponseSchema, { isActive: true }) };
      if (question.operation === "GetOrganization")
        return { meaning: broken, ending: () => create(GetOrganizationResponseSchema, { isActive: true }) };
      return { meaning: broken, ending: thrown(status(Code.Internal)) };
    case "broken":
      if (random.chance(0.15)) {
        return { meaning: { kind: "broken", healthy: true }, ending: thrown(status(Code.Unimplemented)) };
      }
      return {
        meaning: broken,
        ending: thrown(
          random.pick([
            () => status(Code.Unknown),
            () => status(Code.Internal),
            () => status(Code.DataLoss),
            () => status(Code.FailedPrecondition),
            () => new ConnectError("HTTP 403", Code.PermissionDenied),
            () => new ConnectError("message is larger than configured readMaxBytes", Code.ResourceExhausted),
            () => new TypeError("an interceptor failed"),
          ])(),
        ),
      };
  }
}

/** What every call on a connection gets that is reset. */
export function grpcReset(): ConnectError {
  return caused(Code.Internal, "ECONNRESET");
}

function toMessage({ operation }: Question, body: AnswerBody, isActive: boolean): Message {
  switch (body.kind) {
    case "user":
      return create(VerifyTokenResponseSchema, {
        ...body.user,
        email: body.email,
        isActive,
        permissions: [...body.permissions],
        locals: [...body.locals],
      });
    case "list":
      return operation === "GetUserLocals"
        ? create(GetUserLocalsResponseSchema, { localIds: [...body.list] })
        : create(GetUserPermissionsResponseSchema, { permissions: [...body.list] });
    case "organization":
      return create(GetOrganizationResponseSchema, {
        id: body.id,
        name: body.name,
        plan: "free",
        isActive: body.isActive,
        modules: [...body.modules],
      });
  }
}

/** As the service itself says it: with a `grpc-status`. */
function status(code: Code): ConnectError {
  return new ConnectError("the service says so", code, { "grpc-status": String(code) });
}

function caused(code: Code, systemCode: string): ConnectError {
  return new ConnectError(
    "network",
    code,
    undefined,
    undefined,
    Object.assign(new Error("network"), { code: systemCode }),
  );
}
