import type { Upstream } from "../../src/transport/outcome.js";
import { type Ask, isKnown, type TryResult } from "./records.js";

/** So many users refused in a row are not the users' doing. */
const USERS = 5;

/** Which refusals may be no evidence about one user. Lenient: it does not ask how long ago the upstream had accepted what it refuses. */
export class MassRefusals {
  /** Users refused since the last answer. */
  readonly #users = new Map<string, Set<string>>();

  /** @param ask whose verdict this is */
  ended(ask: Ask, upstream: Upstream, result: TryResult): void {
    const { operation, authority, token, user, organizationId } = ask.question;
    const topic = `${upstream} ${operation === "VerifyToken" ? "tokens" : "look-ups"}`;
    if (result.kind === "answer" || isKnown(result)) return void this.#users.delete(topic);
    const about = token === undefined ? (user ?? organizationId) : authority.tokens.get(token)?.account.ref;
    if (!ask.isOfKnownUser() || about === undefined) return;
    const users = this.#users.get(topic) ?? new Set<string>();
    this.#users.set(topic, users.add(JSON.stringify(about)));
    if (users.size >= USERS) ask.mayBeDoubted = true;
  }
}
