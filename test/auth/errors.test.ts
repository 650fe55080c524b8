import { describe, expect, test } from "@jest/globals";
import { AuthError } from "../../src/client.js";

/** What both copies of the package, and all versions, know their errors by. */
const BRAND = Symbol.for("portero.AuthError");

describe("An AuthError", () => {
  test("is an Error of its own name", () => {
    const error = new AuthError("invalid_token");
    expect(error).toBeInstanceOf(Error);
    expect([error.name, String(error)]).toEqual(["AuthError", "AuthError: The token is not valid."]);
  });

  test("is no error of a class that extends it", () => {
    class OurError extends AuthError {}
    expect(new AuthError("invalid_token")).not.toBeInstanceOf(OurError);
    const ours = new OurError("invalid_token");
    expect([ours instanceof OurError, ours instanceof AuthError]).toEqual([true, true]);
  });

  test("keeps its cause, and has none of its own", () => {
    const cause = new Error("connection refused");
    expect(new AuthError("auth_unavailable", { cause }).cause).toBe(cause);
    expect(new AuthError("auth_unavailable", { cause: null }).cause).toBeNull();
    expect(Object.hasOwn(new AuthError("auth_unavailable"), "cause")).toBe(false);
  });

  test.each([
    ["missing_token", true],
    ["insufficient_scope", true],
    ["lookup_refused", true],
    ["auth_unavailable", false],
    ["overloaded", false],
  ] as const)("of the code %s says whether a client may read its message: %s", (code, expose) => {
    expect(new AuthError(code).expose).toBe(expose);
  });

  test("in its own realm is the same one", () => {
    const [ofTheDefault, ofShop] = [new AuthError("missing_token"), new AuthError("missing_token", { realm: "shop" })];
    expect(ofTheDefault.inRealm("api")).toBe(ofTheDefault);
    expect(ofShop.inRealm("shop")).toBe(ofShop);
  });

  test("in another realm is one like it", () => {
    const cause = new Error("why");
    const error = new AuthError("insufficient_scope", { cause, message: "Not you.", permissions: ["read"] });
    const moved = error.inRealm("shop");
    expect(moved).not.toBe(error);
    expect([moved.code, moved.message, moved.cause]).toEqual(["insufficient_scope", "Not you.", cause]);
    expect(moved.headers["WWW-Authenticate"]).toBe('Bearer realm="shop", error="insufficient_scope", scope="read"');
    expect(moved.inRealm("api").headers).toEqual(error.headers);
  });
});

describe("An instance of AuthError", () => {
  test("is whatever bears its mark, whoever made it", () => {
    expect(Reflect.get(new AuthError("overloaded"), BRAND)).toBe(true);
    expect({ [BRAND]: true }).toBeInstanceOf(AuthError);
  });

  test.each([[null], [undefined], ["AuthError"], [{}], [new Error("AuthError")], [() => undefined], [7]])(
    "is not %p",
    (value) => {
      expect(Reflect.apply(AuthError[Symbol.hasInstance], AuthError, [value])).toBe(false);
    },
  );
});

describe("A code that is none", () => {
  test.each([["forbidden"], [""], ["toString"], ["__proto__"], [undefined], [null], [403], [["missing_token"]]])(
    "is refused when the error is made, with a list of those that are: %j",
    (code) => {
      const make = () => new AuthError(code as never);
      expect(make).toThrow(TypeError);
      expect(make).toThrow(/codes missing_token, invalid_request, .+, overloaded$/);
    },
  );
});
