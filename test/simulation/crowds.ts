import { invalidateUserOf, type Scene, type Stage, storeIs, weatherIs } from "./stage.js";

/** A store that was dead is tried again after a second. */
const STORE_RECOVERY_MS = 1100;
export const MOST_STRANGERS = 20;
/** More than a world has at its start, or than a crowd has. */
const MANY_TOKENS = 1000;

/** A crowd comes with tokens that were never good while the store cannot be told; then one comes that the store has known all along. */
export function strangers({ world, visits, random, process, token }: Stage): Scene[] {
  const { maxTombstones, cache } = world.settings;
  const earlier = random.pick(world.processes.filter(({ service }) => service === process.service));
  const known = random.chance(0.3) ? token : world.issueToken(MANY_TOKENS + visits.count);
  const size = maxTombstones + 1 + random.int(MOST_STRANGERS);
  const crowd = () => {
    for (let index = 0; index < size; index++) visits.visit(process, "me", world.drawGarbage(visits.count));
  };
  return [
    { afterMs: 0, act: () => weatherIs({ world, process }, "calm") },
    { afterMs: 0, act: () => storeIs(world, "calm") },
    { afterMs: STORE_RECOVERY_MS, act: () => visits.visit(earlier, "me", known) },
    { afterMs: random.ms(10, 200), act: () => storeIs(world, random.pick(["down", "down", "silent", "calm"])) },
    { afterMs: 0, act: crowd },
    { afterMs: random.ms(100, 300), act: () => storeIs(world, "calm") },
    {
      afterMs: STORE_RECOVERY_MS + random.pick([0, cache.processTtlMs]),
      act: () => visits.visit(process, "me", known),
    },
  ];
}

/** A crowd signs out, with tokens that were never good: what is known of another one holds, and what was invalidated stays so. */
export function exodus({ world, visits, random, process, token }: Stage): Scene[] {
  const { maxTombstones } = world.settings;
  const size = maxTombstones + 1 + random.int(MOST_STRANGERS);
  const isUsers = random.chance(0.5);
  const isSignedOut = random.chance(0.5);
  const spelling = world.question(process.service, {
    operation: "VerifyToken",
    token: random.pick(process.authority.tokens.get(token)?.spellings ?? [token]),
  });
  const crowd = () => {
    for (let index = 0; index < size; index++) {
      const garbage = world.drawGarbage(MANY_TOKENS * (1 + visits.count) + index, "jwt");
      const question = world.question(process.service, { operation: "VerifyToken", token: garbage });
      visits.invalidate(
        process,
        isUsers ? { user: { userId: `stranger-${index}`, organizationId: "o" } } : { question },
      );
    }
  };
  return [
    { afterMs: 0, act: () => weatherIs({ world, process }, "calm") },
    { afterMs: 0, act: () => visits.visit(process, "me", token) },
    {
      afterMs: random.ms(5, 100),
      act: () => {
        if (isUsers) invalidateUserOf(process, token, { world, visits });
        else if (isSignedOut) visits.invalidate(process, { question: spelling });
      },
    },
    { afterMs: random.ms(0, 5), act: crowd },
    { afterMs: random.ms(0, 50), act: () => visits.visit(process, "me", token) },
  ];
}
