import { expect, test } from "@jest/globals";
import { shownUrl } from "../../../src/auth/config/shown-url.js";
import { systemClock } from "../../../src/runtime/clock.js";
import { openBareClient } from "../../support/open-client.js";
import { RecordingLogger } from "../../support/recording-logger.js";
import { until } from "../../support/until.js";

test.each([
  ["http://auth:50051", "http://auth:50051/"],
  ["https://service:hunter2@auth.example.com/base/", "https://auth.example.com/base/"],
  ["https://service:hunter2@hunter2@auth/base", "https://auth/base"],
  ["https://auth/base?api_key=hunter2#hunter2", "https://auth/base"],
  ["http://[::1]:50051", "http://[::1]:50051/"],
  ["https://auth/base&api_key=hunter2", "https://auth/…"],
  ["https://auth/base;key=hunter2", "https://auth/…"],
  ["https://auth/%3Fapi_key=hunter2", "https://auth/…"],
  ["redis://default:hunter2@cache:6379/1", "redis://cache:6379/1"],
  ["rediss://cache/hunter2", "rediss://cache/…"],
  ["redis+cluster://u:hunter2@a:6379,b:6379", "redis+cluster://a:6379,b:6379"],
  ["redis+cluster://u:hunter2@hunter2@[::1]:1,b", "redis+cluster://[::1]:1,b"],
  ["redis+cluster://a/hunter2=1", "redis+cluster://a/…"],
  ["rediss+sentinel://:hunter2@s:1,t:2/mymaster/0", "rediss+sentinel://s:1,t:2/mymaster/0"],
  ["redis+sentinel://s:1/mymaster?sentinel_password=hunter2", "redis+sentinel://s:1/mymaster"],
  ["redis://:hunter2@a:1,b:2", "redis://a:1,b:2"],
])("Of %s is shown: %s", (url, shown) => {
  expect(shownUrl(url)).toBe(shown);
});

test.each([
  undefined,
  "hunter2",
  "default:hunter2",
  "redis://default:hunter2",
  "redis://default%3Ahunter2%40cache",
  "redis://hunter2!",
  "redis://:p#hunter2@cache",
  "redis://default:1234#hunter2@cache",
  "redis://default:1234/hunter2@cache",
  "redis://default:1234?hunter2@cache",
  "redis://default:p@ss/hunter2@cache",
  "redis://default:hunter2@cache#1",
  "redis+cluster://default:hunter2",
  "redis+cluster://a,default:hunter2",
  "redis+cluster://u:p#hunter2@a,b",
  "redis+sentinel://u:p/hunter2@s/mymaster",
  "redis+sentinel://s/mymaster?sentinel_password=p@hunter2",
  "http:hunter2@auth",
  "http:///hunter2@auth",
  "https:\\\\hunter2@auth",
  "http://auth/ hunter2",
  "data:text/plain,hunter2",
])("Of %s nothing is shown.", (url) => {
  expect(shownUrl(url)).toBeUndefined();
});

test("Log lines and status() show no more of the URLs than that.", async () => {
  const logger = new RecordingLogger();
  const client = openBareClient({
    grpc: { url: "http://service:hunter2@127.0.0.1:1" },
    rest: { url: "http://127.0.0.1:1/hunter2@auth" },
    cache: { redisUrl: "redis://:hunter2@127.0.0.1:1/0?password=hunter2", namespace: "shop" },
    retry: { attempts: 1 },
    breaker: { failureThreshold: 1 },
    logger,
    clock: systemClock,
  });
  await expect(client.verifyToken("token")).rejects.toMatchObject({ code: "auth_unavailable" });
  await until(() => client.status().cache.shared === "unavailable");
  await until(() => logger.lines.filter((line) => line.includes("cannot be reached")).length > 0);
  const written = `${logger.lines.join("\n")}\n${JSON.stringify(client.status())}`;
  expect(written).toContain("redis://127.0.0.1:1/0 cannot be reached");
  expect(written).toContain("http://127.0.0.1:1/ is unreachable");
  expect(written).toContain("its URL (not shown)");
  expect(written).not.toContain("hunter2");
});
