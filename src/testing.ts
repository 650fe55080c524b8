/** `portero/testing`: an auth service and a client to test against. */

export type { DirectoryOptions, TestOrganization, TestUser } from "./testing/directory-options.js";
export { type FakeAuthService, startAuthService } from "./testing/fake-auth-service.js";
export type { FakeAuthServiceOptions } from "./testing/service-options.js";
export type { CallCounts, LastRequest, Side } from "./testing/side.js";
export { type StubAuthClient, stubAuthClient } from "./testing/stub-client.js";
