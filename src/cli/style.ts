import { styleText } from "node:util";
import type { Io } from "./io.js";

/** Colours and signs for one stream: colours on a terminal alone, by https://no-color.org and `FORCE_COLOR`. */
export interface Style {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly doubtful: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly strong: (text: string) => string;
}

export function styleFor({ env }: Pick<Io, "env">, stream: { readonly isTTY?: boolean }): Style {
  const isColoured = wantsColour(env, stream.isTTY === true);
  const paint = (format: Parameters<typeof styleText>[0]) => (text: string) =>
    isColoured ? styleText(format, text, { validateStream: false }) : text;
  return {
    good: paint("green"),
    bad: paint("red"),
    doubtful: paint("yellow"),
    faint: paint("gray"),
    strong: paint("bold"),
  };
}

/** A variable that is set but empty says nothing. */
function wantsColour(env: Io["env"], isTerminal: boolean): boolean {
  if (env.NO_COLOR || env.NODE_DISABLE_COLORS) return false;
  if (env.FORCE_COLOR) return env.FORCE_COLOR !== "0" && env.FORCE_COLOR !== "false";
  return isTerminal && env.TERM !== "dumb";
}
