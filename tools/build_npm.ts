// Builds the package as npm has it, in dist/npm: JavaScript and types for Node 20 and newer, and a package.json.

import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Manifest } from "./check_manifest.ts";
import { execute, mustExecute } from "./execute.ts";
import { BUILT, type PackageJson, packageJson } from "./npm_manifest.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Where the package is built. */
export const OUT: string = join(ROOT, "dist", "npm");

/**
 * What Node 20 has. `lib` is what holds the source to it: `Promise.withResolvers()`, `Array.fromAsync()` and whatever
 * else came later do not build.
 */
const OPTIONS = {
  target: "ES2022",
  lib: ["ES2023", "ES2024.String", "ESNext.Disposable", "DOM", "DOM.Iterable"],
  module: "ESNext",
  moduleResolution: "Bundler",
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  erasableSyntaxOnly: true,
  verbatimModuleSyntax: true,
  isolatedDeclarations: true,
  rewriteRelativeImportExtensions: true,
  declaration: true,
  types: ["node"],
  typeRoots: [join(ROOT, "node_modules/@types")],
  skipLibCheck: true,
  noEmitOnError: true,
};

/** What `deno.ts` uses of Deno, for a compiler that does not know it. */
const AMBIENT = `declare namespace Deno {
  function readFile(path: string): Promise<Uint8Array<ArrayBuffer>>;
  function connect(address: { readonly hostname: string; readonly port: number }): Promise<{
    read(into: Uint8Array): Promise<number | null>;
    close(): void;
  }>;
}
declare module "@nats-io/transport-deno";
`;

/** `AsyncDisposable` is in no \`lib\` that TypeScript takes by itself; this adds it for who imports an entry. */
const REFERENCE = `/// <reference lib="esnext.disposable" />\n`;

/** Builds the package anew and returns what its package.json says. */
export async function buildNpm(): Promise<PackageJson> {
  const read = (file: string) => readFile(join(ROOT, file), "utf8");
  const jsr = JSON.parse(await read("jsr.json")) as Manifest;
  const entries = Object.values(jsr.exports ?? {});
  const built = join(OUT, BUILT);
  await rm(OUT, { recursive: true, force: true });
  await mkdir(OUT, { recursive: true });
  await compile(entries, built);
  await finishTypes(built, entries);
  const manifest = packageJson(jsr, process.env["GITHUB_REPOSITORY"]);
  await writeFile(join(OUT, "package.json"), JSON.stringify(manifest, undefined, 2) + "\n");
  for (const file of ["README.md", "CHANGELOG.md", "LICENSE"]) {
    await cp(join(ROOT, file), join(OUT, file));
  }
  return manifest;
}

/** Packs what was built and returns the path of the tarball. */
export async function packNpm({ name, version }: PackageJson): Promise<string> {
  await mustExecute(["npm", "pack", "--loglevel=error"], { cwd: OUT });
  return join(OUT, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`);
}

async function compile(entries: readonly string[], outDir: string): Promise<void> {
  const ambient = join(OUT, "ambient.d.ts");
  const project = join(OUT, "tsconfig.json");
  await writeFile(ambient, AMBIENT);
  await writeFile(
    project,
    JSON.stringify({
      compilerOptions: { ...OPTIONS, rootDir: ROOT, outDir },
      files: [ambient, ...entries.map((entry) => join(ROOT, entry))],
    }),
  );
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  const run = "deno" in process.versions ? ["run", "-A", tsc] : [tsc];
  const { code, output } = await execute([
    process.execPath,
    ...run,
    "-p",
    project,
    "--pretty",
    "false",
  ]);
  if (code !== 0) throw new Error(`The source does not build for Node 20:\n${output.trim()}`);
  await Promise.all([rm(ambient), rm(project)]);
}

/** The compiler leaves \`.ts\` in what declarations import, which programs outside of this repository do not have. */
async function finishTypes(built: string, entries: readonly string[]): Promise<void> {
  const roots = entries.map((entry) => entry.replace("./", "").replace(/\.ts$/, ".d.ts"));
  const files = await readdir(built, { recursive: true });
  await Promise.all(
    files.filter((file) => file.endsWith(".d.ts")).map(async (file) => {
      const text = await readFile(join(built, file), "utf8");
      const types = text.replace(/((?:from|import\() ?"\.\.?\/[^"\n]+)\.ts"/g, `$1.js"`);
      await writeFile(join(built, file), (roots.includes(file) ? REFERENCE : "") + types);
    }),
  );
}

if (import.meta.main) {
  const manifest = await buildNpm();
  console.log(`${manifest.name} ${manifest.version}: ${await packNpm(manifest)}`);
}
