import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterAll, jest } from "@jest/globals";
import { createProject, pack, packages, root, temporaryFolder } from "../support/workspace.js";

jest.setTimeout(300_000);

const folder = temporaryFolder();
afterAll(() => folder.remove());

/** A copy of the sources, built, and what was packed of it. */
export const sources = join(folder.path, "sources");
/** A project with portero alone. */
export const bare = join(folder.path, "bare");
/** One with the frameworks, the compilers and a user's files. */
export const app = join(folder.path, "app");
/** What a user has of the package. */
export const installed = join(bare, "node_modules", "portero");

/** The least compiler that the README names, the least that checks the declarations of the libraries too, and today's. */
export const COMPILERS = {
  "5.0": { installed: "typescript50@npm:typescript@5.0.4", folder: "typescript50", skipLibCheck: true },
  "5.9": { installed: "typescript59@npm:typescript@5.9.3", folder: "typescript59", skipLibCheck: false },
  today: { installed: packages("typescript")[0]!, folder: "typescript", skipLibCheck: false },
};
const COMPANIONS = packages("express", "koa", "supertest", "@opentelemetry/api");
const TYPES = packages("@types/express", "@types/koa", "@types/node", "@types/passport");

let tarball: Promise<string> | undefined;
let projects: Promise<void> | undefined;

/** Packs the package, and leaves its sources built. */
export function packed(): Promise<string> {
  tarball ??= pack(folder.path);
  return tarball;
}

/** Installs what was packed in both projects. */
export function created(): Promise<void> {
  projects ??= createProjects();
  return projects;
}

async function createProjects(): Promise<void> {
  const tarball = await packed();
  const compilers = Object.values(COMPILERS).map(({ installed }) => installed);
  await createProject(bare, [tarball]);
  await createProject(app, [tarball, ...COMPANIONS, ...TYPES, ...compilers]);
  cpSync(join(root, "test", "package", "fixtures"), app, { recursive: true });
}
