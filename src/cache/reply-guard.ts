/** The largest reply, in bytes: two entries of the largest size. No more may come while somebody waits in vain, either. */
export const MAX_REPLY_BYTES = 2 ** 24;
/** In bytes: a number, a status or an error. */
const MAX_LINE_BYTES = 4096;
/** More keys than one look ever asks for. */
const MAX_ITEMS = 4096;

const [CR, LF] = [13, 10];

/**
 * Looks at what a Redis sends before the client decodes it. Decoders believe what a reply says about its own size: forty bytes of
 * `*33000000` cost a gigabyte, and a reply without an end costs whatever the network can bring. What is asked here is answered by a
 * line, a text, or a flat list of texts (RESP2), of a bounded size.
 */
export class ReplyGuard {
  /** Bytes in all. */
  #bytes = 0;
  /** Bytes of the reply that is coming in. */
  #ofReply = 0;
  /** Of the list that is coming in. */
  #itemsLeft = 0;
  /** Of the text that is coming in, with its line end. */
  #textLeft = 0;
  /** The beginning of a line that is not complete. */
  #line = "";

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the client may see this. After the first `false` the connection is of no use. */
  accepts(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    for (let at = 0; at < chunk.length; ) {
      if (this.#textLeft > 0) {
        const taken = Math.min(this.#textLeft, chunk.length - at);
        at += taken;
        this.#textLeft -= taken;
        this.#ofReply += taken;
        if (this.#textLeft === 0) this.#itemEnded();
      } else {
        const end = chunk.indexOf(LF, at);
        const stop = end < 0 ? chunk.length : end + 1;
        this.#ofReply += stop - at;
        if (this.#line.length + stop - at > MAX_LINE_BYTES) return false;
        this.#line += chunk.toString("latin1", at, stop);
        at = stop;
        if (end >= 0 && !this.#readLine()) return false;
      }
      if (this.#ofReply > MAX_REPLY_BYTES) return false;
    }
    return true;
  }

  #readLine(): boolean {
    const line = this.#line;
    this.#line = "";
    if (line.charCodeAt(line.length - 2) !== CR) return false;
    const type = line[0];
    if (type === "+" || type === "-" || type === ":") {
      this.#itemEnded();
      return true;
    }
    const size = /^[$*](-1|\d{1,10})\r\n$/.exec(line)?.[1];
    if (size === undefined) return false;
    return type === "$" ? this.#beginText(Number(size)) : this.#beginList(Number(size));
  }

  #beginText(length: number): boolean {
    if (length < 0) this.#itemEnded();
    else this.#textLeft = length + 2;
    return this.#ofReply + length <= MAX_REPLY_BYTES;
  }

  #beginList(items: number): boolean {
    if (this.#itemsLeft > 0 || items > MAX_ITEMS) return false; // a list within a list
    if (items <= 0) this.#itemEnded();
    else this.#itemsLeft = items;
    return true;
  }

  #itemEnded(): void {
    if (this.#itemsLeft > 0) this.#itemsLeft--;
    if (this.#itemsLeft === 0) this.#ofReply = 0;
  }
}
