import Environment from "../test/support/environment.js";

/** The tests' own environment; with a mutant, a suite is over at its first failure. */
export default class extends Environment {
  #failed = false;

  async handleTestEvent(event) {
    if (process.env.__STRYKER_ACTIVE_MUTANT__ === undefined) return;
    if (event.name === "test_done" && event.test.errors.length > 0) this.#failed = true;
    if (event.name === "test_start" && this.#failed) event.test.mode = "skip";
  }
}
