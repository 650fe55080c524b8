import type { Theme } from "./settings.js";

/** What can happen in a world. */
export type Action =
  | "visit"
  | "burst"
  | "flood"
  | "call"
  | "abort"
  | "peek"
  | "truth"
  | "issue"
  | "invalidateToken"
  | "invalidateUser"
  | "weather"
  | "storeWeather"
  | "restart"
  | "clock"
  | "nonsense"
  | "plot"
  | "wait";

export const USUAL: Readonly<Record<Action, number>> = {
  visit: 30,
  burst: 8,
  flood: 0.03,
  call: 12,
  abort: 3,
  peek: 2,
  truth: 8,
  issue: 3,
  invalidateToken: 3,
  invalidateUser: 2,
  weather: 8,
  storeWeather: 4,
  restart: 0.5,
  clock: 2,
  nonsense: 1,
  plot: 6,
  wait: 10,
};

export const UNUSUAL: Readonly<Record<Theme, Partial<Record<Action, number>>>> = {
  mixed: {},
  breaker: { weather: 20, truth: 2, call: 20 },
  invalidation: { invalidateToken: 12, invalidateUser: 10, truth: 15, weather: 12 },
  expiry: { issue: 8, wait: 20 },
  load: { burst: 30, flood: 0.3, weather: 12 },
  cache: { weather: 3, wait: 20, truth: 15 },
};
