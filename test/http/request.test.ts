import { describe, expect, test } from "@jest/globals";
import { headerLines, headerOf, isRepeated } from "../../src/http/request.js";

/** As Node hands it over: names and values in turn. */
const raw = (...rawHeaders: string[]) => ({ headers: {}, rawHeaders });

describe("A header's value", () => {
  test("is Node's, and joined where Node has several", () => {
    expect(headerOf({ headers: { cookie: "a=b" } }, "cookie")).toBe("a=b");
    expect(headerOf({ headers: { "x-local": ["madrid", "lugo"] } }, "x-local")).toBe("madrid, lugo");
    expect(headerOf({ headers: {} }, "cookie")).toBeUndefined();
  });

  test("is Fetch's", () => {
    expect(headerOf({ headers: new Headers({ Cookie: "a=b" }) }, "cookie")).toBe("a=b");
    expect(headerOf({ headers: new Headers() }, "cookie")).toBeUndefined();
  });

  test("is found beside a header that is called get", () => {
    expect(headerOf({ headers: { get: "x", cookie: "a=b" } }, "cookie")).toBe("a=b");
  });
});

describe("A header's lines", () => {
  test("are as they stood on the wire, in any case and in order", () => {
    const request = raw("X-Local", "madrid", "X-Other", "no", "x-LOCAL", "lugo");
    expect(headerLines(request, "x-local")).toEqual(["madrid", "lugo"]);
    expect(headerLines(raw("X-Locale", "es", "Y-Local", "no"), "x-local")).toEqual([]);
  });

  test("are empty where there is a name alone", () => {
    expect(headerLines(raw("X-Local"), "x-local")).toEqual([""]);
  });

  test("are never looked for among the values", () => {
    expect(headerLines(raw("X-Other", "x-local", "X-Local", "madrid"), "x-local")).toEqual(["madrid"]);
  });

  test("are the one value where nobody keeps lines", () => {
    expect(headerLines({ headers: new Headers({ "X-Local": "madrid" }) }, "x-local")).toEqual(["madrid"]);
    expect(headerLines({ headers: { "x-local": "" } }, "x-local")).toEqual([""]);
    expect(headerLines({ headers: {} }, "x-local")).toStrictEqual([]);
  });
});

describe("A header is repeated", () => {
  test.each([
    ["when it comes twice, in any case", true, raw("Authorization", "a", "Host", "b", "AUTHORIZATION", "c")],
    ["when it comes twice with the same value", true, raw("authorization", "a", "authorization", "a")],
    ["but not once", false, raw("Host", "b", "Authorization", "a")],
    ["but not beside others as long", false, raw("Authorization", "a", "X-Real-Client", "b", "If-None-Match", "c")],
    ["but not by its name among the values", false, raw("Authorization", "a", "X-Name", "authorization")],
    ["but not where nobody keeps lines", false, { headers: { authorization: "a, b" } }],
  ])("%s", (_when, expected, request) => {
    expect(isRepeated(request, "authorization")).toBe(expected);
  });
});
