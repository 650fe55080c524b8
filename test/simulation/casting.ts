import type { Authority } from "./authority.js";
import { forged } from "./forgery.js";
import type { Route, SimulatedProcess } from "./process.js";
import type { Question } from "./records.js";
import type { World } from "./world.js";

/** Draws who comes, with what, to ask what. */
export class Casting {
  readonly #world: World;
  /** What most of it is about at the moment: things go wrong where they meet. */
  #focus = "";

  constructor(world: World) {
    this.#world = world;
  }

  route(): Route {
    return this.#world.random.weighted<Route>({
      me: 8,
      fresh: 3,
      optional: 1,
      write: 2,
      local: 1,
      localFresh: 2,
      module: 2,
    });
  }

  token(process: SimulatedProcess): string {
    const { random } = this.#world;
    const { authority } = process;
    if (!authority.tokens.has(this.#focus) || random.chance(0.1)) this.#focus = this.#anyToken(authority);
    if (random.chance(0.04)) return forged(this.#focus, random);
    if (random.chance(0.55)) return random.pick(authority.tokens.get(this.#focus)?.spellings ?? [this.#focus]);
    return random.chance(0.08) ? `garbage-${random.int(50)}` : this.#anyToken(authority);
  }

  user(process: SimulatedProcess): NonNullable<Question["user"]> {
    const { random } = this.#world;
    const { tokens, accounts } = process.authority;
    const ofFocus = tokens.get(this.#focus)?.account.ref;
    if (ofFocus && random.chance(0.6)) return ofFocus;
    if (random.chance(0.05)) return { userId: "nobody", organizationId: "o" };
    return random.pick(accounts).ref;
  }

  question(process: SimulatedProcess): Question {
    const world = this.#world;
    const { random } = world;
    const ask = (about: Omit<Question, "authority">) => world.question(process.service, about);
    switch (random.weighted({ token: 3, locals: 1, permissions: 1, organization: 1 })) {
      case "token":
        return ask({ operation: "VerifyToken", token: this.token(process) });
      case "locals":
        return ask({ operation: "GetUserLocals", user: this.user(process) });
      case "permissions":
        return ask({ operation: "GetUserPermissions", user: this.user(process) });
      case "organization":
        return ask({ operation: "GetOrganization", organizationId: this.user(process).organizationId });
    }
  }

  /** To just before, or just after, the end of some token. */
  untilSomeEnd(): number {
    const { authorities, clock, random } = this.#world;
    const authority = authorities[0]!;
    const ends = [...authority.tokens.keys()]
      .map((token) => authority.endOf(token) - clock.time)
      .filter((ms) => ms > 0 && ms < 700_000);
    return ends.length === 0 ? 0 : Math.max(0, random.pick(ends) + random.ms(-3, 3));
  }

  /** Rather a good one: most of what can go wrong goes wrong with those. */
  #anyToken({ tokens }: Authority): string {
    const { random, clock } = this.#world;
    const all = [...tokens.values()];
    const good = all.filter(
      ({ isRevoked, exp, account }) => !isRevoked && account.isActive && !(exp && exp < clock.wall),
    );
    return random.pick(random.pick(good.length > 0 && random.chance(0.8) ? good : all).spellings);
  }
}
