import type { DescMessage, DescMethod, MessageShape } from "@bufbuild/protobuf";
import { AuthService, type GetOrganizationResponse, type VerifyTokenResponse } from "../../gen/auth/auth_service_pb.js";
import type { Operation } from "./outcome.js";

/** The operation that a method of `auth.AuthService` is. */
export function operationOf(method: DescMethod): Operation {
  return method.name as Operation;
}

/** Whether it asks about a user or an organization, not about a token. */
export function isLookup(method: DescMethod): boolean {
  return method !== AuthService.method.verifyToken;
}

/**
 * Why a well-formed message is no answer all the same, or `undefined` when it is one. protobuf fills in what is missing, so that an
 * empty message would otherwise be a user without a name.
 */
export function answerDefect<O extends DescMessage>(method: DescMethod, message: MessageShape<O>): string | undefined {
  switch (operationOf(method)) {
    case "VerifyToken":
      return (message as unknown as VerifyTokenResponse).userId === "" ? "no user_id" : undefined;
    case "GetOrganization":
      return (message as unknown as GetOrganizationResponse).id === "" ? "no organization id" : undefined;
    case "GetUserLocals":
    case "GetUserPermissions":
      return undefined; // an empty list is an answer
  }
}
