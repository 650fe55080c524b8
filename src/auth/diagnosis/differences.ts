import type { Answers, Asked } from "./questions.js";

/** More differences of one operation are counted only. */
const MAX_SHOWN = 5;

/** Both sides' answers to one operation. */
export interface Pair<M> {
  readonly grpc: Asked<M>;
  readonly rest: Asked<M>;
}

/** What gRPC and REST say differently, a sentence each; none where they agree, or where one could not tell. */
export function differencesOf<O extends keyof Answers>(
  operation: O,
  { grpc, rest }: Pair<Answers[O]>,
  user: string,
): readonly string[] {
  if (grpc.outcome === "failed" || rest.outcome === "failed") return [];
  if (grpc.outcome !== rest.outcome) {
    const verb = operation === "VerifyToken" ? ["lets the token in", "refuses it"] : ["has an answer", "refuses"];
    return [`gRPC ${saysOf(grpc, verb)}, REST ${saysOf(rest, verb)}`];
  }
  if (grpc.outcome === "refused" || rest.outcome === "refused") return [];
  const all = READERS[operation](grpc.message as never, rest.message as never, plain(user));
  const more = all.length - MAX_SHOWN;
  return more > 0 ? [...all.slice(0, MAX_SHOWN), `and ${more} more`] : all;
}

/** An id, or a name, that can be shown in one line. */
export function plain(text: string): string {
  const clean = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "�");
  return clean === "" ? '""' : clean.length > 80 ? `${clean.slice(0, 79)}…` : clean;
}

type Reader<M> = (grpc: M, rest: M, user: string) => string[];

const READERS: { readonly [O in keyof Answers]: Reader<Answers[O]> } = {
  VerifyToken: (grpc, rest, user) => [
    ...values("the token is of the user", grpc.userId, rest.userId),
    ...values(`${user} is of the organization`, grpc.organizationId, rest.organizationId),
    ...values(`${user} has the email`, grpc.email, rest.email),
    ...flags(`${user} is active`, grpc.isActive, rest.isActive),
    ...lists(`${user} may`, grpc.permissions, rest.permissions),
    ...lists(`${user} may act on`, grpc.locals, rest.locals),
  ],
  GetUserPermissions: (grpc, rest, user) => lists(`${user} may`, grpc.permissions, rest.permissions),
  GetUserLocals: (grpc, rest, user) => lists(`${user} may act on`, grpc.localIds, rest.localIds),
  GetOrganization: (grpc, rest) => {
    const id = plain(grpc.id);
    return [
      ...values(`${id} has the name`, grpc.name, rest.name),
      ...values(`${id} has the plan`, grpc.plan, rest.plan),
      ...flags(`${id} is active`, grpc.isActive, rest.isActive),
      ...lists(`${id} has the module`, grpc.modules, rest.modules),
    ];
  },
};

function saysOf(asked: Asked, [yes, no]: readonly string[]): string {
  return asked.outcome === "refused" ? `${no} (${asked.code})` : `${yes}`;
}

function values(what: string, grpc: string, rest: string): string[] {
  return grpc === rest ? [] : [`gRPC says that ${what} ${plain(grpc)}, REST that it is ${plain(rest)}`];
}

function flags(what: string, grpc: boolean, rest: boolean): string[] {
  return grpc === rest
    ? []
    : [grpc ? `gRPC says that ${what}, REST does not` : `REST says that ${what}, gRPC does not`];
}

function lists(what: string, grpc: readonly string[], rest: readonly string[]): string[] {
  const missing = (from: readonly string[], all: readonly string[]) => all.filter((each) => !from.includes(each));
  return [
    ...missing(rest, grpc).map((each) => `gRPC says ${what} ${plain(each)}, REST does not`),
    ...missing(grpc, rest).map((each) => `REST says ${what} ${plain(each)}, gRPC does not`),
  ];
}
