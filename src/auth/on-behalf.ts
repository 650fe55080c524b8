import type { Asker } from "../cache/landing.js";
import { subjectKey } from "../cache/subject-invalidations.js";
import type { CallOptions } from "./auth-client.js";
import { subjectOf } from "./cache-specs.js";
import type { User, UserRef } from "./model.js";

/** Both module formats of this package find it. A symbol that is copied with the options: applications wrap clients in their own. */
const KEY: unique symbol = Symbol.for("portero.onBehalf") as never;

/** The options of a guard's look-up for the user that it let in: such a question is known, see `standing.ts`. */
export function onBehalfOf({ id, organizationId }: User, call?: CallOptions): CallOptions {
  const user: UserRef = { userId: id, organizationId };
  return { ...call, [KEY]: user } as CallOptions;
}

/** The options as the cache takes them. */
export function withAsker(call: CallOptions): CallOptions & { asker?: Asker } {
  const user = (call as { [KEY]?: UserRef })[KEY];
  return user ? { ...call, asker: () => subjectKey("user", subjectOf(user)) } : call;
}
