import type { Random } from "./random.js";
import type { LogWeather } from "./redis-link.js";
import type { World } from "./world.js";

export type Trouble = "weather" | "cut" | "trim" | "delete" | "spoil" | "forge" | "failover";

const TROUBLES: Readonly<Record<Trouble, number>> = {
  weather: 6,
  cut: 5,
  trim: 3,
  delete: 1,
  spoil: 0.5,
  forge: 4,
  failover: 1.5,
};

const HOUR_MS = 3_600_000;

/** Something happens to the log, of all that can. */
export function troubleLog(world: World, random: Random, trouble = random.weighted(TROUBLES)): void {
  const redis = world.redis!;
  const { streams } = redis;
  const note = (...details: string[]) => world.chronicle.record("", "log", trouble, ...details);
  switch (trouble) {
    case "weather":
      return logIs(world, random.weighted<LogWeather>({ calm: 3, lagging: 2, dropping: 2, trimming: 2 }));
    case "cut": {
      const process = random.pick(world.processes);
      const silently = random.chance(0.4);
      redis.cut(process.name, silently);
      return note(process.name, silently ? "silently" : "");
    }
    case "trim":
    case "delete":
    case "spoil":
      for (const key of streams.keys) {
        if (trouble === "trim") streams.trim(key, random.int(3));
        else if (trouble === "delete") streams.delete(key);
        else streams.spoil(key);
      }
      redis.disturb();
      return note();
    case "forge":
      for (const key of streams.keys.filter((each) => !streams.isSpoilt(each))) forge(world, random, key);
      return note();
    case "failover":
      return redis.failOver();
  }
}

/** Somebody who may write to the Redis adds what was there before, or never was. */
function forge(world: World, random: Random, key: string): void {
  const { streams } = world.redis!;
  const now = world.clock.wall;
  const [, fields] = random.pick([...streams.entriesOf(key), undefined]) ?? [];
  const text = fields?.[1] ?? "";
  const forged = random.pick<readonly string[]>([
    ["e", text],
    ["e", text.slice(0, -3)],
    ["e", text.replace(/"at":[\d.]+/, `"at":${now + HOUR_MS}`)],
    ["e", text.replace(/"at":[\d.]+/, `"at":${now - HOUR_MS}`)],
    ["e", text.replace('"v":1', '"v":2')],
    ["e", ""],
    ["e", "x".repeat(20_000)],
    ["e", '{"v":1,"kind":"token","id":7,"at":0,"by":"x"}'],
    ["f", text],
    ["e", text, "e", text],
  ]);
  streams.add(key, forged);
}

export function logIs(world: World, weather: LogWeather): void {
  if (world.redis) world.redis.logWeather = weather;
  world.chronicle.record("", "log", weather);
}
