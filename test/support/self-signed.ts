import { generateKeyPairSync, sign } from "node:crypto";

/** A certificate of its own authority, for 127.0.0.1 and ::1. In PEM. */
export interface SelfSigned {
  readonly key: string;
  readonly cert: string;
}

const SEQUENCE = 0x30;
const SET = 0x31;
const ECDSA_WITH_SHA256 = tlv(SEQUENCE, tlv(0x06, Buffer.from("2a8648ce3d040302", "hex")));
const COMMON_NAME = Buffer.from("550403", "hex");
const SUBJECT_ALT_NAME = Buffer.from("551d11", "hex");

/**
 * Made anew for each run, so that no private key lies in the repository: Node writes no X.509 itself (RFC 5280 §4.1).
 *
 * @param until when it ends; its first moment is in 2020
 */
export function selfSigned({ until = "20991231235959Z" }: { until?: string } = {}): SelfSigned {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const name = tlv(SEQUENCE, tlv(SET, tlv(SEQUENCE, tlv(0x06, COMMON_NAME), tlv(0x0c, Buffer.from("portero test")))));
  const [ipv4, ipv6] = [Buffer.from([127, 0, 0, 1]), Buffer.from(`${"00".repeat(15)}01`, "hex")];
  const addresses = tlv(SEQUENCE, tlv(0x87, ipv4), tlv(0x87, ipv6));
  const extension = tlv(SEQUENCE, tlv(0x06, SUBJECT_ALT_NAME), tlv(0x04, addresses));
  const body = tlv(
    SEQUENCE,
    tlv(0xa0, tlv(0x02, Buffer.from([2]))), // version 3
    tlv(0x02, Buffer.from([1])), // serial number
    ECDSA_WITH_SHA256,
    name,
    tlv(SEQUENCE, time("20200101000000Z"), time(until)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    tlv(0xa3, tlv(SEQUENCE, extension)),
  );
  const signature = tlv(0x03, Buffer.from([0]), sign("sha256", body, privateKey));
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: pem(tlv(SEQUENCE, body, ECDSA_WITH_SHA256, signature)),
  };
}

/** One element of DER: a tag, a length, and what it holds. */
function tlv(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const long = length < 0x80 ? [] : length < 0x100 ? [length] : [length >> 8, length & 0xff];
  const prefix = long.length === 0 ? [tag, length] : [tag, 0x80 | long.length, ...long];
  return Buffer.concat([Buffer.from(prefix), content]);
}

function time(text: string): Buffer {
  return tlv(0x18, Buffer.from(text));
}

function pem(der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
