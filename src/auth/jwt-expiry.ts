const [OPEN, BACKSLASH] = [0x7b, 0x5c];
/** As JSON has them: blank, tab, line feed, carriage return. */
const BLANKS: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);
const EXP = Buffer.from('"exp"');
/** So many bytes from there on hold all of a usual `"exp":4102444800,`. */
const EXP_LENGTH = 20;

/**
 * A token's own end: the `exp` of a JWT's payload (RFC 7519 §4.1.4), in milliseconds since the epoch. Nothing is verified.
 * `undefined` where the payload is no JSON, or has no `exp` that is a finite number.
 *
 * @param payload decoded
 */
export function expiryIn(payload: Buffer): number | undefined {
  const exp = isPlain(payload) ? plainExp(payload) : parsedExp(payload);
  return typeof exp === "number" && Number.isFinite(exp) ? exp * 1000 : undefined;
}

/** Whether a payload is one flat object with nothing escaped, as almost all are: there `"exp":` can only be that key. */
function isPlain(payload: Buffer): boolean {
  return payload.lastIndexOf(OPEN) === 0 && !payload.includes(BACKSLASH);
}

/** The same as {@link parsedExp}, without parsing the rest of the payload. */
function plainExp(payload: Buffer): unknown {
  const at = payload.lastIndexOf(EXP);
  if (at === -1) return undefined;
  const seconds = /^"exp":(0|[1-9]\d{0,11})[,}]/.exec(payload.toString("latin1", at, at + EXP_LENGTH))?.[1];
  return seconds === undefined ? parsedExp(payload) : Number(seconds);
}

function parsedExp(payload: Buffer): unknown {
  if (!isObject(payload)) return undefined;
  try {
    return (JSON.parse(payload.toString("latin1")) as { exp?: unknown }).exp; // the key and its number are ASCII, in UTF-8 too
  } catch {
    return undefined; // three parts, but no JWT
  }
}

/** Whether it begins as an object of JSON. Of garbage, which strangers send many of, an error of the parser would cost more than all else. */
function isObject(payload: Buffer): boolean {
  let at = 0;
  while (BLANKS.has(payload[at] as number)) at++;
  return payload[at] === OPEN;
}
