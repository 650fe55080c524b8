import type { UserRef } from "../../src/auth/model.js";
import type { Random } from "./random.js";
import type { AnswerBody, Question } from "./records.js";
import type { VirtualClock } from "./virtual-clock.js";

/** A user as the service knows it now. */
export interface Account {
  readonly ref: UserRef;
  isActive: boolean;
  isKnown: boolean;
  permissions: readonly string[];
  locals: readonly string[];
}

export interface IssuedToken {
  readonly text: string;
  /** Itself, and others that are good for as long as it is. */
  readonly spellings: string[];
  readonly account: Account;
  /** Wall time in milliseconds after which the token says that it has ended. */
  readonly exp: number | undefined;
  isRevoked: boolean;
}

interface OrganizationState {
  isActive: boolean;
  modules: readonly string[];
  isKnown: boolean;
}

/** What the service would say at this moment. */
export type Judgement =
  | { readonly kind: "answer"; readonly body: AnswerBody }
  | { readonly kind: "inactive"; readonly body: AnswerBody & { kind: "user" } }
  | { readonly kind: "refused" };

/** Ids that are easily confused when they are put together carelessly, or that need an encoding. */
const USERS: readonly UserRef[] = [
  { userId: "c", organizationId: "a:b" },
  { userId: "b:c", organizationId: "a" },
  { userId: "a", organizationId: "b:c" },
  { userId: 'u","a', organizationId: "o" },
  { userId: "ü/..%2f", organizationId: "o" },
  { userId: "u", organizationId: 'a","o' },
];
const PERMISSIONS = ["write", "read", "admin", "a b"];
const LOCALS = ["l-1", "l-2", "l-3"];
const MODULES = ["inventory", "billing"];

/** The truth: who there is, whose tokens are good, who may do what. It changes while the world goes on. */
export class Authority {
  readonly name: string;
  readonly accounts: readonly Account[];
  readonly tokens = new Map<string, IssuedToken>();
  readonly organizations = new Map<string, OrganizationState>();
  readonly #clock: VirtualClock;
  readonly #leewayMs: number;
  #answers = 0;

  constructor(name: string, users: number, { clock, leewayMs, random }: AuthorityOptions) {
    this.name = name;
    this.#clock = clock;
    this.#leewayMs = leewayMs;
    const refs = random.chance(0.5) ? USERS : [...USERS].reverse();
    this.accounts = refs.slice(0, users).map((ref) => ({
      ref,
      isActive: !random.chance(0.1),
      isKnown: true,
      permissions: drawSome(random, PERMISSIONS),
      locals: drawSome(random, LOCALS),
    }));
    for (const { ref } of this.accounts) {
      const modules = drawSome(random, MODULES);
      this.organizations.set(ref.organizationId, { isActive: !random.chance(0.2), modules, isKnown: true });
    }
  }

  issue(text: string, account: Account, exp: number | undefined): IssuedToken {
    const token = { text, spellings: [text], account, exp, isRevoked: false };
    this.tokens.set(text, token);
    return token;
  }

  /** The service takes another spelling for the same token. */
  respell(text: string, spelling: string): void {
    const token = this.tokens.get(text);
    if (!token || this.tokens.has(spelling)) return;
    token.spellings.push(spelling);
    this.tokens.set(spelling, token);
  }

  /** When a token ends by its own word, wall time in milliseconds. */
  expOf(text: string): number {
    return this.tokens.get(text)?.exp ?? Number.POSITIVE_INFINITY;
  }

  /** When a token ends by its own word, in the simulation's time. */
  endOf(text: string): number {
    const exp = this.tokens.get(text)?.exp;
    return exp === undefined ? Number.POSITIVE_INFINITY : this.#clock.timeAtWall(exp);
  }

  /** Something about somebody changes. */
  change(random: Random): string {
    const account = random.pick(this.accounts);
    const tokens = [...this.tokens.values()];
    switch (
      random.weighted({ revoke: 3, restore: 3, permissions: 3, locals: 2, active: 1, known: 1, organization: 1 })
    ) {
      case "revoke":
        return this.#setRevoked(random.pick(tokens), true);
      case "restore":
        return this.#setRevoked(random.pick(tokens.filter(({ isRevoked }) => isRevoked)), false);
      case "permissions":
        account.permissions = drawSome(random, PERMISSIONS);
        return `permissions of ${account.ref.userId}: ${account.permissions.join(" ")}`;
      case "locals":
        account.locals = drawSome(random, LOCALS);
        return `locals of ${account.ref.userId}: ${account.locals.join(" ")}`;
      case "active":
        account.isActive = !account.isActive;
        return `${account.ref.userId} is ${account.isActive ? "active" : "inactive"}`;
      case "known":
        account.isKnown = !account.isKnown;
        return `${account.ref.userId} is ${account.isKnown ? "known" : "unknown"}`;
      case "organization": {
        const organization = this.organizations.get(account.ref.organizationId)!;
        if (random.chance(0.3)) organization.isKnown = !organization.isKnown;
        organization.isActive = !random.chance(0.3);
        organization.modules = drawSome(random, MODULES);
        return `${account.ref.organizationId}: ${organization.isActive} ${organization.isKnown} ${organization.modules}`;
      }
    }
  }

  #setRevoked(token: IssuedToken | undefined, isRevoked: boolean): string {
    if (token) token.isRevoked = isRevoked;
    return `${shortened(token?.text ?? "no token")} is ${isRevoked ? "revoked" : "good again"}`;
  }

  /** @returns what it says now; every answer that can carry a mark carries one of its own */
  judge(question: Question): Judgement {
    switch (question.operation) {
      case "VerifyToken":
        return this.#judgeToken(question.token as string);
      case "GetOrganization":
        return this.#judgeOrganization(question.organizationId as string);
      case "GetUserLocals":
        return this.#judgeList(question.user as UserRef, ({ locals }) => locals);
      case "GetUserPermissions":
        return this.#judgeList(question.user as UserRef, ({ permissions }) => permissions);
    }
  }

  #judgeToken(text: string): Judgement {
    const token = this.tokens.get(text);
    if (!token || token.isRevoked) return { kind: "refused" };
    if (token.exp !== undefined && this.#clock.wall >= token.exp + this.#leewayMs) return { kind: "refused" };
    const { ref, isActive, permissions, locals } = token.account;
    const body = { kind: "user", user: ref, email: `${this.#mark()}@${this.name}`, permissions, locals } as const;
    return isActive ? { kind: "answer", body } : { kind: "inactive", body };
  }

  #judgeOrganization(id: string): Judgement {
    const organization = this.organizations.get(id);
    if (!organization?.isKnown) return { kind: "refused" };
    const { isActive, modules } = organization;
    return { kind: "answer", body: { kind: "organization", id, name: this.#mark(), isActive, modules } };
  }

  #judgeList(ref: UserRef, listOf: (account: Account) => readonly string[]): Judgement {
    const account = this.accounts.find(
      ({ ref: { userId, organizationId } }) => userId === ref.userId && organizationId === ref.organizationId,
    );
    if (!account?.isKnown) return { kind: "refused" };
    const list = listOf(account);
    // An empty list stays empty: that it is taken for no answer is a mistake worth finding.
    return { kind: "answer", body: { kind: "list", list: list.length === 0 ? list : [...list, this.#mark()] } };
  }

  #mark(): string {
    return `#${this.name}${++this.#answers}#`;
  }
}

interface AuthorityOptions {
  clock: VirtualClock;
  leewayMs: number;
  random: Random;
}

/** The mark that {@link Authority.judge} put on an answer, found in any form of it. */
export function markIn(text: string): string | undefined {
  return /#\w+#/.exec(text)?.[0];
}

export function shortened(token: string): string {
  return token.length <= 24 ? token : `…${token.slice(-20)}`;
}

function drawSome(random: Random, all: readonly string[]): string[] {
  return random.chance(0.2) ? [] : all.filter(() => random.chance(0.6));
}
