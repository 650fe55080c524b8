import type { AuthClientOptions } from "../../src/auth/config/options.js";
import { OWN_CREDENTIAL } from "./call-watch.js";
import type { Journal } from "./journal.js";
import type { World } from "./world.js";

/** Our own credentials: there, or fetched by a function that can fail as everything else can. */
export function ownCredentials(by: string, world: World, journal: Journal): AuthClientOptions["headers"] {
  const { settings, clock, random, chronicle } = world;
  const { name, value } = OWN_CREDENTIAL;
  if (settings.headers === "none") return undefined;
  if (settings.headers === "fixed") return { [name]: value };
  return () => {
    const fate = world.isTroubled ? random.weighted({ well: 6, slow: 2, fails: 1, hangs: 1 }) : "well";
    if (fate === "well") return { [name]: value };
    const fault = { began: clock.time, ended: fate === "fails" ? clock.time : Number.POSITIVE_INFINITY };
    journal.credentialFaults.push(fault);
    chronicle.record(by, "credentials", fate);
    if (fate === "fails") throw new Error("no credentials");
    return new Promise((resolve) => {
      if (fate === "hangs") return;
      clock.after(random.ms(0, 400), () => {
        fault.ended = clock.time;
        resolve({ [name]: value });
      });
    });
  };
}
