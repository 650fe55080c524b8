import type { IncomingMessage } from "node:http";
import { AuthError } from "../auth/errors.js";
import type { VerifiedToken } from "../auth/model.js";
import type { Token } from "../auth/token.js";
import { isPromise } from "../runtime/is-promise.js";
import {
  AttachedAuth,
  type AuthPlace,
  attachAuth,
  attachedAuthOf,
  authOf,
  type MiddlewareSettings,
} from "./attached-auth.js";
import type { GivenOptions } from "./auth-options.js";
import { createAuthenticator } from "./authenticator.js";
import { Door, GuardDoor } from "./door.js";
import type { Guard } from "./guards.js";
import { assertNoRequest } from "./misuse.js";

/** A middleware without its framework. `R` is what the framework's handlers get: the request, or Koa's context. */
export interface Step<R> {
  /** The function that made it: `requireAuth`, `requireLocal`. */
  readonly name: string;
  /**
   * Lets a request through, or throws. A step that need not wait returns nothing, so that the request goes on in the same tick.
   *
   * @param node what keeps the auth for the steps behind
   * @param place where handlers look for the user and the locals
   */
  run(request: R, node: IncomingMessage, place: AuthPlace): undefined | Promise<undefined>;
  /**
   * What is to be answered, where `run` threw this.
   *
   * @throws what was thrown, where it is for the framework: anything but an `AuthError`
   */
  failureOf(thrown: unknown, node: IncomingMessage): Failure;
}

/** An error to answer, and the middleware that says how. */
export interface Failure {
  /** In the realm of the middleware. */
  readonly error: AuthError;
  readonly settings: MiddlewareSettings;
  /** The guard that it comes from, where it is not the middleware's own. */
  readonly guard: string | undefined;
}

/** Authenticates every request; `optionalAuth` lets those without credentials through as anonymous. */
export function authStep<R>(maker: "requireAuth" | "optionalAuth", options: GivenOptions<R>): Step<R> {
  assertNoRequest(maker, options);
  const { settings, tokenOf, verify, isAnonymous } = createAuthenticator<R>(maker, options);

  const door = new Door(settings);

  /** Anonymous, or refused. */
  function withoutUser(
    error: unknown,
    token: Token | undefined,
    request: R,
    node: IncomingMessage,
    place: AuthPlace,
  ): undefined {
    if (!isAnonymous(error, node)) {
      door.turnedAway(request, error, token);
      throw error;
    }
    attachAuth(node, place, new AttachedAuth(settings, undefined, undefined), attachedAuthOf(node));
    return door.letIn(request, undefined, token);
  }
  return {
    name: maker,
    run(request, node, place) {
      const earlier = attachedAuthOf(node); // once: Express on Node 20 makes each look at a request dear
      let token: Token | undefined;
      let auth: VerifiedToken | Promise<VerifiedToken>;
      try {
        token = tokenOf(request, node, node);
        auth = verify(token, request, earlier);
      } catch (error) {
        return withoutUser(error, token, request, node, place);
      }
      if (!isPromise(auth)) {
        attachAuth(node, place, new AttachedAuth(settings, auth, token), earlier);
        return door.letIn(request, auth, token);
      }
      return auth.then(
        (verified) => {
          attachAuth(node, place, new AttachedAuth(settings, verified, token, true), attachedAuthOf(node));
          return door.letIn(request, verified, token);
        },
        (error) => withoutUser(error, token, request, node, place),
      );
    },
    failureOf: (thrown) => toFailure(thrown, settings, undefined),
  };
}

/** Holds a guard against the auth that is attached to each request. */
export function guardStep<R>(name: string, guard: Guard<R>): Step<R> {
  const caller = `${name}()`;
  const door = new GuardDoor(name);
  return {
    name,
    run(request, node) {
      const attached = attachedAuthOf(node);
      let passed: undefined | Promise<undefined>;
      try {
        const auth = authOf(node, caller);
        passed = guard({ auth, client: attached!.client, request });
      } catch (error) {
        return door.turnAway(request, attached, error);
      }
      if (!passed) return door.letThrough(request, attached!);
      return passed.then(
        () => door.letThrough(request, attached!),
        (error) => door.turnAway(request, attached, error),
      );
    },
    failureOf: (thrown, node) => toFailure(thrown, attachedAuthOf(node), caller),
  };
}

/** An `AuthError` never comes without a middleware before it. */
function toFailure(thrown: unknown, settings: MiddlewareSettings | undefined, guard: string | undefined): Failure {
  if (!(thrown instanceof AuthError) || !settings) throw thrown;
  return { error: thrown.inRealm(settings.realm, settings.resourceMetadata), settings, guard };
}
