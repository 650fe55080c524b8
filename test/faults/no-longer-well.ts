import { setTimeout as sleep } from "node:timers/promises";

/** As long as a store counts as well after it did something well: that strangers' reads are slow meanwhile says nothing about it. */
const WELL_MS = 1000;

/** Waits until the slow reads of strangers count against a store. */
export async function noLongerWell(): Promise<void> {
  await sleep(WELL_MS);
}
