/** The largest reply, in bytes: two entries of the largest size. No more may come while somebody waits in vain, either. */
export const MAX_REPLY_BYTES = 2 ** 24;
/** In bytes: a number, a status or an error. */
const MAX_LINE_BYTES = 4096;
/** More keys than one look ever asks for. */
const MAX_ITEMS = 4096;

/** How much a reply may hold. */
export interface ReplyBounds {
  /** In all. Default 4096. */
  readonly maxItems?: number;
  /** Lists within lists, the outermost counted. Default 1: a flat one. */
  readonly maxDepth?: number;
}

const [CR, LF] = [0x0d, 0x0a];
const [STATUS, FAILURE, NUMBER, TEXT, LIST] = [0x2b, 0x2d, 0x3a, 0x24, 0x2a]; // + - : $ *
const [MINUS, ZERO] = [0x2d, 0x30];
const MAX_DIGITS = 10;

/**
 * Looks at what a Redis sends before the client decodes it. Decoders believe what a reply says about its own size: forty bytes of
 * `*33000000` cost a gigabyte, and a reply without an end costs whatever the network can bring. What is asked here is answered by a
 * line, a text, or a list (RESP2), of a bounded size.
 */
export class ReplyGuard {
  readonly #maxItems: number;
  readonly #maxDepth: number;
  /** Bytes in all. */
  #bytes = 0;
  /** Bytes of the reply that is coming in. */
  #ofReply = 0;
  /** Items that are to come: of each list that is coming in, the outermost first, with those that are coming in. */
  readonly #itemsLeft: number[] = [];
  /** Of all lists of the reply that is coming in. */
  #items = 0;
  /** Of the text that is coming in, with its line end. */
  #textLeft = 0;
  /** The beginning of a line that is not complete. */
  #begun: Buffer | undefined;

  constructor({ maxItems = MAX_ITEMS, maxDepth = 1 }: ReplyBounds = {}) {
    this.#maxItems = maxItems;
    this.#maxDepth = maxDepth;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the client may see this. After the first `false` the connection is of no use. */
  accepts(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    for (let at = 0; at < chunk.length; ) {
      const next = this.#textLeft > 0 ? this.#skipText(chunk, at) : this.#readLine(chunk, at);
      if (next === undefined || this.#ofReply > MAX_REPLY_BYTES) return false;
      at = next;
    }
    return true;
  }

  /** Where what follows begins. */
  #skipText(chunk: Buffer, at: number): number {
    const taken = Math.min(this.#textLeft, chunk.length - at);
    this.#textLeft -= taken;
    this.#ofReply += taken;
    if (this.#textLeft === 0) this.#itemEnded();
    return at + taken;
  }

  /** Where what follows begins; `undefined` where the line makes no sense. */
  #readLine(chunk: Buffer, at: number): number | undefined {
    const end = chunk.indexOf(LF, at);
    const next = end < 0 ? chunk.length : end + 1;
    this.#ofReply += next - at;
    if ((this.#begun?.length ?? 0) + next - at > MAX_LINE_BYTES) return undefined;
    if (end >= 0 && !this.#begun) return this.#takeLine(chunk, at, next) ? next : undefined;
    const line: Buffer = Buffer.concat([this.#begun ?? Buffer.alloc(0), chunk.subarray(at, next)]);
    this.#begun = end < 0 ? line : undefined;
    return end < 0 || this.#takeLine(line, 0, line.length) ? next : undefined;
  }

  /** Takes the bytes of a whole line: on the way of every operation, so nothing is made of them. */
  #takeLine(bytes: Buffer, start: number, end: number): boolean {
    if (bytes[end - 2] !== CR) return false;
    const type = bytes[start];
    if (type === STATUS || type === FAILURE || type === NUMBER) {
      this.#itemEnded();
      return true;
    }
    const size = type === TEXT || type === LIST ? sizeIn(bytes, start + 1, end - 2) : undefined;
    if (size === undefined) return false;
    return type === TEXT ? this.#beginText(size) : this.#beginList(size);
  }

  #beginText(length: number): boolean {
    if (length < 0) this.#itemEnded();
    else this.#textLeft = length + 2;
    return this.#ofReply + length <= MAX_REPLY_BYTES;
  }

  #beginList(items: number): boolean {
    if (this.#itemsLeft.length >= this.#maxDepth) return false;
    if (items > this.#maxItems - this.#items) return false;
    if (items > 0) {
      this.#itemsLeft.push(items);
      this.#items += items;
    } else this.#itemEnded();
    return true;
  }

  #itemEnded(): void {
    const lists = this.#itemsLeft;
    while (lists.length > 0) {
      if (--(lists[lists.length - 1] as number) > 0) return;
      lists.pop();
    }
    this.#ofReply = 0;
    this.#items = 0;
  }
}

/** The number that stands there: -1, or up to ten digits. */
function sizeIn(bytes: Buffer, start: number, end: number): number | undefined {
  if (bytes[start] === MINUS) return end - start === 2 && bytes[start + 1] === ZERO + 1 ? -1 : undefined;
  if (end === start || end - start > MAX_DIGITS) return undefined;
  let size = 0;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    size = size * 10 + digit;
  }
  return size;
}
