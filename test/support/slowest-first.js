import Sequencer from "@jest/test-sequencer";

/**
 * What takes a process long, the longest first. A suite of half a minute that begins last is waited for alone, and where nothing has
 * run before Jest has only the sizes of the files to go by.
 */
const SLOWEST = [
  "test/attack/known-users.test.ts",
  "test/attack/flood.test.ts",
  "test/attack/recent-headers.test.ts",
  "test/examples/demo.test.ts",
  "test/package/installed.test.ts",
  "test/simulation/simulation.test.ts",
  "test/attack/shared-flood.test.ts",
  "test/cache/redis-sentinel.test.ts",
  "test/cache/redis.test.ts",
  "test/cli/doctor-redis.test.ts",
  "test/cache/log.test.ts",
  "test/examples/start.test.ts",
  "test/properties/configuration.test.ts",
];

export default class SlowestFirst extends Sequencer {
  sort(tests) {
    const place = ({ path }) => {
      const at = SLOWEST.findIndex((suite) => path.endsWith(`/${suite}`));
      return at < 0 ? SLOWEST.length : at;
    };
    return super.sort(tests).sort((one, other) => place(one) - place(other));
  }
}
