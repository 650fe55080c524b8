// What is packed has no script that npm could run where the package is installed: `prepare` builds a clone, and is taken out of
// package.json while npm packs (`without`, before) and put back (`with`, after). Each says how it is to be, so that one that npm did not
// come to is made good by the next.
import { readFileSync, writeFileSync } from "node:fs";

const PREPARE = `    "prepare": "npm run build",\n`;
const path = new URL("../package.json", import.meta.url);

const bare = readFileSync(path, "utf8").replace(PREPARE, "");
writeFileSync(path, process.argv[2] === "with" ? bare.replace(/(?<="scripts": \{\n)/, PREPARE) : bare);
