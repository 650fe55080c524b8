import type { Origin } from "../cache/spec.js";
import type { VerifiedToken } from "./model.js";

/** A class that extends it puts its private fields on another object: they are seen by nobody, and cost no table beside. */
class OnAnother {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: that is what it is for
    return object;
  }
}

class Marked extends OnAnother {
  readonly #origin: Origin;

  constructor(auth: object, origin: Origin) {
    super(auth);
    this.#origin = origin;
  }

  static originOf(auth: object): Origin | undefined {
    return #origin in auth ? auth.#origin : undefined;
  }
}

/** Marks an answer with its origin, by which it can be told to be void later. A copy of it has none. */
export function markOrigin<A extends VerifiedToken>(auth: A, origin: Origin): A {
  new Marked(auth, origin);
  return auth;
}

export function originOf(auth: VerifiedToken): Origin | undefined {
  return typeof auth === "object" && auth !== null ? Marked.originOf(auth) : undefined;
}
