import { checkFleet, fleetSetup } from "./capacity/fleet-check.js";
import { growthSetup, measureGrowth } from "./capacity/growth.js";
import type { Bench } from "./kit/bench.js";

export const capacity: Bench = {
  name: "capacity",
  page: "capacity.md",
  question:
    "Does a hit cost more, or a user take more, when there are many of them? And what do several processes with one Redis ask of the auth service and of Redis?",
  setup: `${growthSetup} ${fleetSetup}`,
  async run(context) {
    const growth = await measureGrowth(context);
    const fleet = await checkFleet(context);
    return {
      figures: [...growth.figures, ...fleet.figures],
      ratios: [...growth.ratios, ...fleet.ratios],
      counts: [...growth.counts, ...fleet.counts],
      plots: growth.plots ?? [],
    };
  },
};
