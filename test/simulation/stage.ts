import type { SimulatedProcess } from "./process.js";
import type { Random } from "./random.js";
import type { StoreWeather } from "./store.js";
import type { Visits } from "./visits.js";
import type { Weather } from "./weather.js";
import type { World } from "./world.js";

/** Something that happens, so long after what was before it. */
export interface Scene {
  readonly afterMs: number;
  readonly act: () => void;
}

export interface Stage {
  readonly world: World;
  readonly visits: Visits;
  readonly random: Random;
  readonly process: SimulatedProcess;
  readonly token: string;
}

export function invalidateUserOf(
  by: SimulatedProcess,
  token: string,
  { world, visits }: Pick<Stage, "world" | "visits">,
): void {
  const account = world.authorities[by.service]!.tokens.get(token)?.account;
  if (account && !by.journal.closed) visits.invalidate(by, { user: account.ref });
}

export function changeTruth({ world, random, process, token }: Omit<Stage, "visits">): void {
  const issued = process.authority.tokens.get(token);
  if (!issued) return;
  if (random.chance(0.7)) issued.isRevoked = !issued.isRevoked;
  else issued.account.permissions = random.pick([[], ["read"], ["read", "write"]]);
  world.chronicle.record("", "truth", process.service, token.slice(-12), issued.isRevoked ? "revoked" : "good");
}

export function revoke({ world, process, token }: Pick<Stage, "world" | "process" | "token">): void {
  const issued = process.authority.tokens.get(token);
  if (issued) issued.isRevoked = true;
  world.chronicle.record("", "truth", process.service, token.slice(-12), "revoked");
}

export function weatherIs({ world, process }: Pick<Stage, "world" | "process">, weather: Weather): void {
  world.setWeather(process.service, "grpc", weather);
  world.setWeather(process.service, "rest", weather);
  world.chronicle.record("", "weather", process.service, weather);
}

export function storeIs(world: World, weather: StoreWeather): void {
  if (world.store) world.store.weather = weather;
  world.chronicle.record("", "store", weather);
}
