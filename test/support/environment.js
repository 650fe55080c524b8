import { types } from "node:util";
import { TestEnvironment } from "jest-environment-node";

/**
 * Node, but for one thing: errors that Node's own modules throw come from outside of Jest's realm, where `instanceof Error` fails.
 * Libraries that ask it would take a refused connection for something else.
 */
export default class extends TestEnvironment {
  async setup() {
    await super.setup();
    const { Error: RealmError } = this.global;
    Object.defineProperty(RealmError, Symbol.hasInstance, {
      configurable: true,
      value(candidate) {
        if (this === RealmError && types.isNativeError(candidate)) return true;
        return Function.prototype[Symbol.hasInstance].call(this, candidate);
      },
    });
  }
}
