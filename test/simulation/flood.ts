import type { Casting } from "./casting.js";
import type { SimulatedProcess } from "./process.js";
import type { Random } from "./random.js";
import type { Scene } from "./stage.js";
import type { Visits } from "./visits.js";

const LEAST = 1000;
const MOST = 5000;
/** They come at once, or in so many waves. */
const MOST_WAVES = 4;

interface Shore {
  readonly visits: Visits;
  readonly random: Random;
  readonly process: SimulatedProcess;
  readonly casting: Casting;
}

/** Thousands within moments, or again and again while what is kept grows old, over the tokens that there are; strangers among them, each with a token that nobody has seen before. */
export function flood({ visits, random, process, casting }: Shore): Scene[] {
  const waves = 1 + random.int(MOST_WAVES);
  const size = Math.ceil((LEAST + random.int(MOST - LEAST)) / waves);
  const strangers = random.pick([0, 0.1, 0.5, 1]);
  const wave = () => {
    for (let index = 0; index < size; index++) {
      if (random.chance(strangers)) visits.visit(process, "me", `stranger-${visits.count}`);
      else visits.visit(process, random.chance(0.9) ? "me" : casting.route(), casting.token(process));
    }
  };
  const isLong = random.chance(0.3);
  const { ttlMs } = process.settings.cache;
  return Array.from({ length: waves }, () => ({ afterMs: random.ms(0, isLong ? 0.7 * ttlMs : 6), act: wave }));
}
