import type { DescMethod } from "@bufbuild/protobuf";
import type {
  GetOrganizationRequest,
  GetUserLocalsRequest,
  VerifyTokenRequest,
} from "../../gen/auth/auth_service_pb.js";
import { type Operation, operationOf } from "./operation.js";
import { UpstreamError } from "./outcome.js";

/** Where the REST side answers each operation, below its base URL. `{user_id}`, or `{organization_id}`, is filled in, encoded. */
export interface RestPaths {
  /** Default `/auth/verify`. */
  verifyToken: string;
  /** Default `/api/v1/users/{user_id}/locals`. */
  userLocals: string;
  /** Default `/api/v1/users/{user_id}/permissions`. */
  userPermissions: string;
  /** Default `/api/v1/organizations/{organization_id}`. */
  organization: string;
}

const PATH_OF: Readonly<Record<Operation, keyof RestPaths>> = {
  VerifyToken: "verifyToken",
  GetUserLocals: "userLocals",
  GetUserPermissions: "userPermissions",
  GetOrganization: "organization",
};

export const DEFAULT_REST_PATHS: RestPaths = {
  verifyToken: "/auth/verify",
  userLocals: "/api/v1/users/{user_id}/locals",
  userPermissions: "/api/v1/users/{user_id}/permissions",
  organization: "/api/v1/organizations/{organization_id}",
};

/** The path of an operation, with its placeholder. */
export function templateOf(operation: Operation, paths: RestPaths): string {
  return paths[PATH_OF[operation]];
}

export interface RestRequest {
  readonly method: "GET" | "POST";
  /** Below the base URL, encoded. */
  readonly path: string;
  readonly json?: Readonly<Record<string, string>>;
  /** `undefined`: not sent, whatever else would name it. */
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/**
 * Whether an organization's id can travel in a header: printable ASCII, and no space at the ends, where it would get lost. An empty one
 * is no organization, and no header.
 */
export function fitsTenantHeader(organizationId: string): boolean {
  return /^([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)?$/.test(organizationId);
}

/** Whether a question has a REST form: one about a user has none where the organization does not fit the header. */
export function hasRestForm(method: DescMethod, message: unknown): boolean {
  const operation = operationOf(method);
  if (operation !== "GetUserLocals" && operation !== "GetUserPermissions") return true;
  return fitsTenantHeader((message as GetUserLocalsRequest).organizationId);
}

/**
 * The REST form of a question.
 *
 * @throws UpstreamError for a user whose organization does not fit the header: only gRPC can be asked about them
 */
export function toRestRequest(method: DescMethod, message: unknown, paths: RestPaths): RestRequest {
  switch (operationOf(method)) {
    case "VerifyToken":
      return {
        method: "POST",
        path: paths.verifyToken,
        json: { token: (message as VerifyTokenRequest).token },
        headers: {},
      };
    case "GetUserLocals":
      return userRequest(paths.userLocals, message as GetUserLocalsRequest);
    case "GetUserPermissions":
      return userRequest(paths.userPermissions, message as GetUserLocalsRequest);
    case "GetOrganization": {
      const { organizationId } = message as GetOrganizationRequest;
      return {
        method: "GET",
        path: paths.organization.replaceAll("{organization_id}", () => encodeURIComponent(organizationId)),
        headers: {},
      };
    }
  }
}

function userRequest(
  path: string,
  { userId, organizationId }: { userId: string; organizationId: string },
): RestRequest {
  // "broken" counts neither for nor against an upstream that was not asked, and is not retried.
  if (!fitsTenantHeader(organizationId)) {
    throw new UpstreamError("rest", "broken", "an organization that fits no header", { notAsked: true });
  }
  return {
    method: "GET",
    path: path.replaceAll("{user_id}", () => encodeURIComponent(userId)),
    headers: { "x-tenant-id": organizationId === "" ? undefined : organizationId },
  };
}
