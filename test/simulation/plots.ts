import { exodus, MOST_STRANGERS, strangers } from "./crowds.js";
import type { SimulatedProcess } from "./process.js";
import { budgets } from "./settings.js";
import { changeTruth, invalidateUserOf, revoke, type Scene, type Stage, storeIs, weatherIs } from "./stage.js";

type Plot =
  | "lostKeys"
  | "rumour"
  | "race"
  | "age"
  | "changeOfMind"
  | "afterlife"
  | "lie"
  | "lostDeletion"
  | "strangers"
  | "exodus";

/** What chance alone brings together too rarely: several things that must happen one after the other to the same token. */
export function drawPlot(stage: Stage): Scene[] {
  const plot = stage.random.weighted<Plot>({
    rumour: 2,
    race: 2,
    ...(stage.world.settings.users > FEW_USERS && { lostKeys: 3 }),
    age: 1,
    changeOfMind: 1,
    ...(stage.world.settings.maxTombstones <= MOST_STRANGERS && { strangers: 2, exodus: 1 }),
    ...(stage.world.store && { afterlife: 0.5, lostDeletion: 0.5 }),
    ...(stage.world.settings.store === "lying" && { lie: 2 }),
  });
  return PLOTS[plot](stage);
}

/** That these are refused is not thought to be everybody. */
const FEW_USERS = 4;
/** So many belong to more than a few users. */
const MORE_TOKENS = 12;

const PLOTS: Readonly<Record<Plot, (stage: Stage) => Scene[]>> = {
  lostKeys,
  rumour,
  race,
  age,
  changeOfMind,
  afterlife,
  lie,
  lostDeletion,
  strangers,
  exodus,
};

/** The service refuses everybody, while what is kept of them grows old; then it has its keys again, or is gone. */
function lostKeys({ world, visits, random, process, token }: Stage): Scene[] {
  const { ttlMs, staleIfErrorMs } = world.settings.cache;
  const everybody = () => {
    for (const text of process.authority.tokens.keys()) visits.visit(process, "me", text);
  };
  const untilOldMs = random.ms(0.65, 0.9) * ttlMs;
  const issueMore = () => {
    for (let index = 0; index < MORE_TOKENS; index++) world.issueToken(1000 + MORE_TOKENS * visits.count + index);
  };
  return [
    { afterMs: 0, act: () => weatherIs({ world, process }, "calm") },
    { afterMs: 0, act: issueMore },
    { afterMs: 0, act: everybody },
    { afterMs: random.ms(5, 10), act: () => weatherIs({ world, process }, "keyless") },
    { afterMs: untilOldMs, act: everybody },
    { afterMs: random.ms(5, 50), act: everybody },
    { afterMs: 0, act: () => weatherIs({ world, process }, random.pick(["keyless", "calm", "down", "picky"])) },
    { afterMs: random.ms(0, 0.4) * ttlMs, act: everybody },
    {
      afterMs: random.pick([0, random.ms(0, ttlMs), staleIfErrorMs / 2]),
      act: () => visits.visit(process, "me", token),
    },
    { afterMs: random.ms(0, 100), act: everybody },
  ];
}

/** A user is invalidated in one process, and another one hears of it through a store that is not well. */
function rumour({ world, visits, random, process, token }: Stage): Scene[] {
  const others = world.processes.filter((other) => other !== process && other.service === process.service);
  if (others.length === 0 || !world.store) return [];
  const other = random.pick([...others, process]);
  const question = world.question(process.service, { operation: "VerifyToken", token });
  const { processTtlMs } = world.settings.cache;
  return [
    { afterMs: 0, act: () => storeIs(world, "calm") },
    { afterMs: 0, act: () => visits.visit(process, "me", token) },
    { afterMs: random.ms(5, 200), act: () => storeIs(world, random.pick(["calm", "calm", "calm", "flaky"])) },
    {
      afterMs: 0,
      act: () => {
        if (random.chance(0.3)) visits.invalidate(process, { question });
        else invalidateUserOf(process, token, { world, visits });
      },
    },
    { afterMs: random.ms(2, 150), act: () => storeIs(world, random.pick(["flaky", "flaky", "slow", "calm"])) },
    { afterMs: random.ms(0, random.pick([300, 300, 1.2 * processTtlMs])), act: () => visits.visit(other, "me", token) },
    { afterMs: random.ms(0, 300), act: () => visits.visit(other, "me", token) },
  ];
}

/** A token is invalidated, or asked about again, while it is being asked about. */
function race({ world, visits, random, process, token }: Stage): Scene[] {
  const { grpcMs, restMs } = budgets(world.settings);
  const whileMs = () => random.ms(0, 0.8 * (grpcMs ?? restMs ?? 0));
  const question = world.question(process.service, { operation: "VerifyToken", token });
  return [
    { afterMs: 0, act: () => weatherIs({ world, process }, random.pick(["slow", "slow", "chaos"])) },
    { afterMs: 0, act: () => visits.visit(process, random.pick(["me", "fresh"]), token) },
    { afterMs: whileMs(), act: () => changeTruth({ world, random, process, token }) },
    {
      afterMs: whileMs(),
      act: () => {
        if (random.chance(0.3)) visits.visit(process, "fresh", token);
        else if (random.chance(0.5)) visits.invalidate(process, { question });
        else invalidateUserOf(process, token, { world, visits });
      },
    },
    { afterMs: random.ms(0, 3), act: () => visits.visit(process, "me", token) },
    { afterMs: 2 * whileMs(), act: () => visits.visit(process, "me", token) },
    { afterMs: 2 * whileMs(), act: () => visits.visit(process, "me", token) },
  ];
}

/** The service goes away, and what is kept grows old. */
function age({ world, visits, random, process, token }: Stage): Scene[] {
  const { ttlMs, staleIfErrorMs } = world.settings.cache;
  const leftMs = process.authority.endOf(token) - world.clock.time;
  const whileMs =
    leftMs > 0 && leftMs < 700_000 && random.chance(0.6) ? leftMs : ttlMs + random.pick([0, staleIfErrorMs]);
  return [
    { afterMs: 0, act: () => weatherIs({ world, process }, "calm") },
    { afterMs: 0, act: () => visits.visit(process, "fresh", token) },
    { afterMs: random.ms(5, 10), act: () => weatherIs({ world, process }, random.pick(["down", "silent", "broken"])) },
    { afterMs: Math.max(0, whileMs + random.ms(-50, 20)), act: () => visits.visit(process, "me", token) },
    { afterMs: random.ms(0, 100), act: () => visits.visit(process, "me", token) },
  ];
}

/** A token that was good is refused, and is used again. */
function changeOfMind({ world, visits, random, process, token }: Stage): Scene[] {
  const { refusalTtlMs } = world.settings.cache;
  return [
    { afterMs: 0, act: () => weatherIs({ world, process }, "calm") },
    { afterMs: 0, act: () => visits.visit(process, "me", token) },
    { afterMs: random.ms(5, 200), act: () => changeTruth({ world, random, process, token }) },
    { afterMs: 0, act: () => visits.visit(process, "fresh", token) },
    { afterMs: random.ms(0, 10), act: () => weatherIs({ world, process }, random.pick(["calm", "down", "slow"])) },
    { afterMs: random.ms(0, 1.2 * refusalTtlMs), act: () => visits.visit(process, "me", token) },
  ];
}

/** A user is invalidated, and what was said about him before lies in the store for longer than anything about his token. */
function afterlife({ world, visits, random, process, token }: Stage): Scene[] {
  const user = process.authority.tokens.get(token)?.account.ref;
  const others = world.processes.filter((other) => other !== process && other.service === process.service);
  if (!user || others.length === 0) return [];
  const [earlier, later] = [random.pick([...others, process]), random.pick(others)];
  const { localsTtlMs, permissionsTtlMs } = world.settings.cache;
  const isLocals = random.chance(0.5);
  const question = world.question(process.service, {
    operation: isLocals ? "GetUserLocals" : "GetUserPermissions",
    user,
  });
  const ask = (by: SimulatedProcess) => () => visits.call(by, question, { fresh: false, abortable: false });
  return [
    { afterMs: 0, act: () => weatherIs({ world, process }, "calm") },
    { afterMs: 0, act: () => storeIs(world, "calm") },
    { afterMs: 0, act: ask(earlier) },
    { afterMs: random.ms(10, 200), act: () => invalidateUserOf(process, token, { world, visits }) },
    { afterMs: random.ms(0, isLocals ? localsTtlMs : permissionsTtlMs), act: ask(later) },
  ];
}

/** What was shared comes back from a store that lies. */
function lie({ world, visits, random, process, token }: Stage): Scene[] {
  const readers = world.processes.filter(({ service }) => service === process.service);
  const { ttlMs, processTtlMs } = world.settings.cache;
  const read = () => visits.visit(random.pick(readers), "me", token);
  return [
    { afterMs: 0, act: () => weatherIs({ world, process }, "calm") },
    { afterMs: 0, act: () => storeIs(world, "calm") },
    { afterMs: 0, act: () => visits.visit(process, "me", token) },
    { afterMs: random.ms(10, 50), act: () => storeIs(world, "lying") },
    { afterMs: random.ms(0, random.pick([10, processTtlMs, 1.2 * ttlMs])), act: read },
    { afterMs: random.ms(0, 100), act: read },
    { afterMs: random.ms(0, 1.1 * processTtlMs), act: read },
  ];
}

/** A token is refused while the store cannot be told, and used again when the refusal is forgotten. */
function lostDeletion({ world, visits, random, process, token }: Stage): Scene[] {
  const { refusalTtlMs } = world.settings.cache;
  return [
    { afterMs: 0, act: () => weatherIs({ world, process }, "calm") },
    { afterMs: 0, act: () => storeIs(world, "calm") },
    { afterMs: 0, act: () => visits.visit(process, "fresh", token) },
    { afterMs: random.ms(10, 200), act: () => revoke({ world, process, token }) },
    { afterMs: 0, act: () => storeIs(world, random.pick(["down", "flaky", "silent"])) },
    { afterMs: 0, act: () => visits.visit(process, "fresh", token) },
    { afterMs: random.ms(60, 100), act: () => storeIs(world, "calm") },
    { afterMs: refusalTtlMs + random.ms(0, 50), act: () => visits.visit(process, "me", token) },
  ];
}
