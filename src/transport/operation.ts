import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import {
  AuthService,
  type GetOrganizationRequest,
  type GetOrganizationResponse,
  type VerifyTokenResponse,
} from "../../gen/auth/auth_service_pb.js";

/** The operations of `auth.AuthService`. */
export type Operation = "VerifyToken" | "GetUserPermissions" | "GetUserLocals" | "GetOrganization";

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

/** Why an answer is to another question, or `undefined` when that cannot be seen: of what was asked only an organization names itself. */
export function answersAnother<I extends DescMessage, O extends DescMessage>(
  method: DescMethod,
  asked: MessageInitShape<I>,
  message: MessageShape<O>,
): string | undefined {
  if (operationOf(method) !== "GetOrganization") return undefined;
  const { id } = message as unknown as GetOrganizationResponse;
  return id === (asked as unknown as GetOrganizationRequest).organizationId ? undefined : "another organization";
}
