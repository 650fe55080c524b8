import { expect, test } from "@jest/globals";
import { silentLogger } from "../../src/runtime/logger.js";
import { startService } from "../support/open-client.js";
import { takeOverheardTokens } from "../support/overhear.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { unsignedJwt } from "../support/unsigned-jwt.js";

const JWT = unsignedJwt({ sub: "ana", note: "this one is longer than a line of a log would be" });

test.each([
  ["a logger", new RecordingLogger()],
  ["the logger that is silent", silentLogger],
])(
  "A token that goes to %s is overheard in every file of tests, whole or in part, and not repeated",
  async (_which, logger) => {
    await startService({ users: { "token-ana": { id: "ana" }, [JWT]: { id: "ana" } } });
    for (const text of ["token-ana", JWT, JWT.slice(0, 20), JWT.slice(-20), "tok"]) logger.warn(`before ${text} after`);

    const found = takeOverheardTokens();

    expect(found).toHaveLength(4);
    expect(found[0]).toBe("before toke… after");
    for (const piece of ["token-ana", JWT.slice(0, 16), JWT.slice(-16)]) expect(found.join()).not.toContain(piece);
    expect(takeOverheardTokens()).toEqual([]);
  },
);
