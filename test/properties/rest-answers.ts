import type { DescMethod } from "@bufbuild/protobuf";
import fc from "fast-check";
import { AuthService } from "../../gen/auth/auth_service_pb.js";

const { verifyToken, getUserLocals, getUserPermissions, getOrganization } = AuthService.method;
export const methods: readonly DescMethod[] = [verifyToken, getUserLocals, getUserPermissions, getOrganization];
export const method = fc.constantFrom(...methods);

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.constantFrom("", "ana", "__proto__", "\ud800"),
);
const list = fc.array(text, { maxLength: 4 });
/** Good answers, in both spellings, with what proto JSON may leave out left out. */
export const good: ReadonlyMap<DescMethod, fc.Arbitrary<Json>> = new Map<DescMethod, fc.Arbitrary<Json>>([
  [
    verifyToken,
    fc.oneof(
      fc.record(
        {
          user_id: fc.string({ minLength: 1 }),
          organization_id: text,
          email: text,
          is_active: fc.boolean(),
          permissions: list,
          locals: list,
        },
        { requiredKeys: ["user_id"] },
      ),
      fc.record(
        { userId: fc.string({ minLength: 1 }), organizationId: text, isActive: fc.boolean(), permissions: list },
        { requiredKeys: ["userId"] },
      ),
    ),
  ],
  [getUserLocals, fc.record({ locals: fc.array(fc.record({ id: fc.string({ minLength: 1 }) }), { maxLength: 4 }) })],
  [getUserPermissions, fc.record({ permissions: list })],
  [
    getOrganization,
    fc.record(
      { id: fc.string({ minLength: 1 }), name: text, plan: text, is_active: fc.boolean(), modules: list },
      { requiredKeys: ["id"] },
    ),
  ],
]);

const NAMES = [
  ...[
    "user_id",
    "userId",
    "organization_id",
    "is_active",
    "isActive",
    "permissions",
    "locals",
    "id",
    "modules",
    "email",
  ],
  ...["__proto__", "constructor", "toString", "length", "$typeName", "$unknown"],
];
export const odd: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(
    null,
    true,
    false,
    0,
    -1,
    1e308,
    "",
    "true",
    "ana",
    [],
    {},
    [null],
    [[]],
    [""],
    [{}],
    { id: 1 },
    [{ id: "" }],
  ),
  fc.jsonValue() as fc.Arbitrary<Json>,
);

/** Puts something odd in the place of a value, under another name, or beside it. */
const mutation = fc.record({ name: fc.constantFrom(...NAMES), value: odd, drops: fc.boolean(), nests: fc.boolean() });
type Mutation = typeof mutation extends fc.Arbitrary<infer M> ? M : never;

export function mutate(answer: Json, { name, value, drops, nests }: Mutation): Json {
  if (typeof answer !== "object" || answer === null || Array.isArray(answer)) return answer;
  const entries = Object.entries(answer).filter(([key]) => !(drops && key === name));
  const mutated = Object.fromEntries(drops ? entries : [...entries, [name, value]]) as Json;
  return nests ? ([mutated] as Json) : mutated;
}

export const mutated = method.chain((asked) =>
  fc.tuple(
    fc.constant(asked),
    good.get(asked) ?? fc.constant<Json>({}),
    fc.array(mutation, { minLength: 1, maxLength: 3 }),
  ),
);
