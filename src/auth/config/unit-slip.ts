import { MAX_TIMER_MS, type NumberSetting } from "./declaration.js";

/** The variable that a setting was read from, so that a mistake is named as its author knows it. */
export interface SettingOrigin {
  readonly name: string;
  readonly value: string;
  /** The variable counts in seconds, the option in milliseconds. */
  readonly seconds?: boolean;
}

/** How many times longer, or shorter, than its default a time is that was meant in another unit. */
const FAR = 100;
/** The same of a variable, where it is no number of whole minutes. */
const FAR_IN_SECONDS = 20;
/** Shorter times are taken at their word in a variable. */
const LONG_IN_SECONDS_MS = 50_000;
/** Of a default: shorter times are in milliseconds for everyone. */
const LONG_MS = 10_000;
/** Shorter times than that were probably meant in seconds: where a timer waits, and where something is kept. */
const [SHORT_WAIT_MS, SHORT_MS] = [100, 1000];
/** One, five, ten, fifteen and thirty minutes, an hour and a day, as they are written in seconds. */
const TTLS_IN_SECONDS: readonly number[] = [60, 300, 600, 900, 1800, 3600, 86_400];

/** A time within its bounds that was probably meant in another unit, in words; `undefined` for any other. */
export function unitSlip(
  setting: NumberSetting<number> & { readonly path: string },
  ms: number,
  origin: SettingOrigin | undefined,
): string | undefined {
  if (origin?.seconds)
    return isInMilliseconds(ms, setting.fallback)
      ? `${origin.name} is ${origin.value} seconds: if milliseconds were meant, write ${ms / 1_000_000}`
      : undefined;
  return isInSeconds(setting, ms)
    ? `${setting.path} is ${ms} milliseconds: if seconds were meant, write ${ms * 1000}`
    : undefined;
}

/** Of a variable: whole thousands, or many times its default and no whole minutes. */
function isInMilliseconds(ms: number, fallback: number): boolean {
  if (ms >= fallback * FAR || (ms > 0 && ms % 1_000_000 === 0)) return true;
  return ms >= fallback * FAR_IN_SECONDS && ms >= LONG_IN_SECONDS_MS && ms % 60_000 !== 0;
}

function isInSeconds({ fallback, max, isTtl }: NumberSetting<number>, value: number): boolean {
  if (isTtl && value > 0 && (TTLS_IN_SECONDS.includes(value) || value * 1000 === fallback)) return true;
  return fallback >= LONG_MS && value > 0 && value <= fallback / FAR && value < shortMs(max);
}

/** A bound that is lower than a timer's is that of a wait. */
function shortMs(max: number): number {
  return max < MAX_TIMER_MS ? SHORT_WAIT_MS : SHORT_MS;
}
