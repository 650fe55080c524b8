import { expect, test } from "@jest/globals";
import { errorCode } from "../../src/cache/store-error.js";

const withCode = (code: unknown, message = "token-of-ana") => Object.assign(new Error(message), { code });

test.each([
  ["ECONNREFUSED", withCode("ECONNREFUSED")],
  ["ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", withCode("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED")],
  [
    "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
    withCode(
      "EPROTO",
      "write EPROTO 00:error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:rec.c:1",
    ),
  ],
  ["EPROTO", withCode("EPROTO")],
  ["WRONGPASS", new Error("WRONGPASS invalid username-password pair")],
])("the code of a store's error is shown: %s", (code, error) => {
  expect(errorCode(error)).toBe(code);
});

test.each([
  withCode("token-of-ana"),
  withCode("Token"),
  withCode(`E${"X".repeat(64)}`),
  withCode(7),
  new Error("token-of-ana is bad"),
  "ERR",
  null,
])("its text never is: %s", (error) => {
  expect(errorCode(error)).toBeUndefined();
});
