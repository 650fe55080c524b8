import { readFileSync } from "node:fs";

const SHOWN = [
  "@connectrpc/connect-node",
  "@grpc/grpc-js",
  "@keyv/redis",
  "@redis/client",
  "express",
  "express-jwt",
  "express-oauth2-jwt-bearer",
  "got",
  "koa",
  "lru-cache",
];

/** Of the packages that are measured, or measured against. */
export const versions: Readonly<Record<string, string>> = Object.fromEntries(
  SHOWN.map((name) => {
    const manifest = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
    return [name, (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version];
  }),
);
