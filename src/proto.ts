/** `portero/proto`: the generated service and its messages, for an auth service in TypeScript. */
export * from "../gen/auth/auth_service_pb.js";
