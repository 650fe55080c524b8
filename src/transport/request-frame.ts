import { type DescMessage, type MessageShape, ScalarType, toBinary } from "@bufbuild/protobuf";
import { frameOf, startFrame } from "./grpc-frame.js";

/** A field whose tag is one byte: field numbers up to 15, and the wire type of what has a length. */
interface TextField {
  readonly name: string;
  readonly tag: number;
}

const LAST_SHORT_NUMBER = 15;
const HAS_LENGTH = 2;
/** `FeatureSet.FieldPresence.IMPLICIT`, as proto3 has it: an empty text is not written. */
const IMPLICIT: number = 2;

const fieldsOf = new WeakMap<DescMessage, readonly TextField[] | undefined>();

/**
 * A message in its frame. One of texts alone, as every question to `auth.AuthService` is, is written there at once: protobuf-es makes room
 * for three times a text's length, and two copies.
 */
export function framed<I extends DescMessage>(schema: I, message: MessageShape<I>): Uint8Array {
  return framedTexts(schema, message) ?? frameOf(toBinary(schema, message));
}

function framedTexts<I extends DescMessage>(schema: I, message: MessageShape<I>): Uint8Array | undefined {
  if (!fieldsOf.has(schema)) fieldsOf.set(schema, textFields(schema));
  const fields = fieldsOf.get(schema);
  if (!fields || message.$typeName !== schema.typeName || message.$unknown?.length) return undefined;
  const texts = message as unknown as Readonly<Record<string, unknown>>;
  let size = 0;
  for (const { name } of fields) {
    const text = texts[name];
    if (typeof text !== "string" || !text.isWellFormed()) return undefined;
    const length = Buffer.byteLength(text);
    if (length > 0) size += 1 + varintBytes(length) + length;
  }
  const { frame, start } = startFrame(size);
  let at = start;
  for (const { name, tag } of fields) {
    const text = texts[name] as string;
    if (text === "") continue;
    frame[at++] = tag;
    at = writeVarint(frame, at, Buffer.byteLength(text));
    at += frame.write(text, at);
  }
  return frame;
}

/** In the order of their numbers; `undefined` where a message has any other field. */
function textFields({ fields }: DescMessage): readonly TextField[] | undefined {
  const areTexts = fields.every(
    (field) =>
      field.fieldKind === "scalar" &&
      field.scalar === ScalarType.STRING &&
      field.presence === IMPLICIT &&
      field.number <= LAST_SHORT_NUMBER,
  );
  if (!areTexts) return undefined;
  return [...fields]
    .sort((a, b) => a.number - b.number)
    .map(({ localName, number }) => ({ name: localName, tag: (number << 3) | HAS_LENGTH }));
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes++;
  return bytes;
}

function writeVarint(buffer: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) buffer[at++] = (rest & 0x7f) | 0x80;
  buffer[at++] = rest;
  return at;
}
