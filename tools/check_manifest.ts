// jsr.json says what deno.json says. With `--fix` it is written anew.

import { readdir, readFile, writeFile } from "node:fs/promises";
import process from "node:process";
import { isDeepStrictEqual } from "node:util";
import { ENTRIES } from "./layers.ts";

/** The parts of deno.json that make the package. */
export interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
  readonly exports?: Readonly<Record<string, string>>;
  readonly imports?: Readonly<Record<string, string>>;
  readonly publish?: { readonly include?: readonly string[] };
}

/** What is published: nothing else of the repository. */
const INCLUDE = [...ENTRIES, "src", "README.md", "CHANGELOG.md", "LICENSE"];

/** The jsr.json that belongs to a deno.json, given the source of what is published. */
export function jsrManifest(deno: Manifest, sources: readonly string[]): Manifest {
  const { name = "", version = "", license = "", exports = {}, imports = {} } = deno;
  const needed = Object.entries(imports).filter(([specifier]) =>
    sources.some((text) => importedIn(text).some((to) => `${to}/`.startsWith(`${specifier}/`)))
  );
  const publish = { include: INCLUDE };
  return { name, version, license, exports, imports: Object.fromEntries(needed), publish };
}

/** What source imports and re-exports. A string that is the name of a package is no import of it. */
function importedIn(text: string): string[] {
  return [...text.matchAll(/\b(?:from|import) ?\(?"([^"\n]+)"/g)].map(([, to = ""]) => to);
}

/** What is wrong, in sentences. */
export function checkManifest(
  deno: Manifest,
  jsr: Manifest | undefined,
  sources: readonly string[],
): string[] {
  const faults: string[] = [];
  if (!isDeepStrictEqual(deno.publish?.include, INCLUDE)) {
    faults.push(
      "deno.json: `deno publish` reads it and not jsr.json, and without this would publish tools and tests: " +
        `"publish": ${JSON.stringify({ include: INCLUDE })}`,
    );
  }
  const expected = jsrManifest(deno, sources);
  for (const key of Object.keys(expected) as (keyof Manifest)[]) {
    if (!isDeepStrictEqual(jsr?.[key], expected[key])) {
      faults.push(
        `jsr.json: ${key} differs from deno.json; \`deno run -A tools/check_manifest.ts --fix\``,
      );
    }
  }
  return faults;
}

async function readSources(root: URL): Promise<string[]> {
  const found = await readdir(new URL("src/", root), { recursive: true });
  const files = [
    ...ENTRIES,
    ...found.filter((file) => file.endsWith(".ts")).map((file) => `src/${file}`),
  ];
  const read = (file: string) => readFile(new URL(file, root), "utf8").catch(() => ""); // the layer check misses it
  return await Promise.all(files.map(read));
}

async function main(): Promise<number> {
  const root = new URL("../", import.meta.url);
  const jsrFile = new URL("jsr.json", root);
  const deno = JSON.parse(await readFile(new URL("deno.json", root), "utf8")) as Manifest;
  const sources = await readSources(root);
  if (process.argv.includes("--fix")) {
    await writeFile(jsrFile, JSON.stringify(jsrManifest(deno, sources), undefined, 2) + "\n");
  }
  const jsr = await readFile(jsrFile, "utf8").catch(() => undefined); // reported as a difference
  const faults = checkManifest(deno, jsr === undefined ? undefined : JSON.parse(jsr), sources);
  for (const fault of faults) console.error(fault);
  console.log(
    faults.length === 0 ? "manifest: jsr.json = deno.json" : `manifest: ${faults.length} faults`,
  );
  return faults.length;
}

if (import.meta.main) process.exitCode = await main() === 0 ? 0 : 1;
