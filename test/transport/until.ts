import { settle } from "../support/manual-clock.js";

/** Turns of the event loop: real sockets of this machine answer within a few. */
const MAX_TURNS = 5000;

/** Lets the event loop turn until the condition holds: for what comes from a real socket, where no timer of ours can be waited for. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < MAX_TURNS; turn++) {
    if (condition()) return;
    await settle();
  }
  throw new Error(`it never came to pass: ${condition}`);
}
