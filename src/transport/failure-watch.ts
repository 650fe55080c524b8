import type { Transport } from "@connectrpc/connect";
import { UpstreamError } from "./outcome.js";
import { forward, unaryTransport } from "./stage.js";

/** Knows why an upstream failed last; reports its first failure where it has never answered: most likely it is not there at all. */
export class FailureWatch {
  readonly #onFirst: (reason: string) => void;
  #isNew = true;
  #last: string | undefined;

  constructor(onFirst: (reason: string) => void) {
    this.#onFirst = onFirst;
  }

  /** `unreachable (ECONNREFUSED)`; made of codes alone. */
  get last(): string | undefined {
    return this.#last;
  }

  watch(inner: Transport): Transport {
    return unaryTransport(async (call) => {
      try {
        const response = await forward(inner, call);
        this.#isNew = false;
        return response;
      } catch (error) {
        if (error instanceof UpstreamError) this.#failed(error);
        throw error;
      }
    });
  }

  #failed({ failure, detail, credentialRefused }: UpstreamError): void {
    const isNew = this.#isNew;
    this.#isNew = false;
    if (failure === "refused") return;
    this.#last = `${failure} (${detail})`;
    if (isNew && !credentialRefused) this.#onFirst(this.#last); // which has a line of its own
  }
}
