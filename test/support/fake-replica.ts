import { FakeUpstream } from "./fake-upstream.js";

/** One replica in memory: how its connection stands, and what it does with calls. */
export class FakeReplica extends FakeUpstream {
  isReady = true;
  /** What making a connection ends with. */
  connecting: () => Promise<void> = async () => undefined;
  onChange: () => void = () => undefined;
  renewed = 0;
  dropped = 0;
  dialled = 0;
  isClosed = false;

  get link() {
    const self = this;
    return {
      transport: this.transport,
      get isReady() {
        return self.isReady;
      },
      async connect() {
        self.dialled++;
        await self.connecting();
        self.isReady = true;
        self.onChange();
      },
      drop: () => void self.dropped++,
      renew: () => void self.renewed++,
      close() {
        self.isClosed = true;
      },
    };
  }

  /** Its connection ends. */
  lose(): void {
    this.isReady = false;
    this.onChange();
  }
}
