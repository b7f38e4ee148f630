// The entry for the edge as a page or a worker gets it: bundled by esbuild, with nothing left to import.

import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, type Metafile } from "esbuild";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** What was built. */
export interface Bundle {
  /** The source of what is loaded at first: one file, unless it is split. */
  readonly first: readonly string[];
  /** The source of what is loaded later. */
  readonly later: readonly string[];
  /** All of them by their names; `stdin.js` is the one that loads the others. */
  readonly files: ReadonlyMap<string, string>;
  /** Which modules are in it, and what they import. */
  readonly inputs: Metafile["inputs"];
}

/** How it is built. */
export interface BundleOptions {
  /** Whether names and blanks are shortened. @default false */
  readonly minify?: boolean;
  /** Whether what is imported later is in files of its own. @default false */
  readonly splitting?: boolean;
  /** Whether it is a module or a script. @default "esm" */
  readonly format?: "esm" | "iife";
}

/**
 * Bundles a module of `source`, which imports by paths from the root of the repository; what it imports may import the
 * package's entry for the edge by its name.
 *
 * @throws {Error} when something imports what no browser has, such as `node:net`.
 */
export async function bundle(source: string, options: BundleOptions = {}): Promise<Bundle> {
  const { minify = false, splitting = false, format = "esm" } = options;
  const { outputFiles, metafile } = await build({
    stdin: { contents: source, resolveDir: ROOT, loader: "ts", sourcefile: "entry.ts" },
    absWorkingDir: ROOT,
    alias: { "@aegis/sdk/edge": "./edge.ts" },
    outdir: ".",
    write: false,
    metafile: true,
    bundle: true,
    minify,
    splitting,
    format,
    platform: "browser",
    target: "es2022",
    logLevel: "silent",
  });
  const { inputs, outputs } = metafile;
  const left = Object.values(outputs).flatMap(({ imports }) => imports)
    .filter(({ external }) => external);
  if (left.length > 0) throw new Error(`The bundle still imports ${left.map(({ path }) => path)}`);
  const atFirst = new Set(["stdin.js"]);
  for (const path of atFirst) {
    for (const { path: to, kind } of outputs[path]?.imports ?? []) {
      if (kind === "import-statement") atFirst.add(to);
    }
  }
  const files = new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
  const texts = (wanted: boolean) =>
    [...files].filter(([name]) => atFirst.has(name) === wanted).map(([, text]) => text);
  return { first: texts(true), later: texts(false), files, inputs };
}

/** How much a server sends of texts, in bytes. */
export function gzipped(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + gzipSync(text, { level: 9 }).length, 0);
}

/** The modules that `inputs` load later, by the paths that {@linkcode bundle} takes. */
export function loadedLater(inputs: Metafile["inputs"]): string[] {
  const later = Object.values(inputs).flatMap(({ imports }) => imports)
    .filter(({ kind }) => kind === "dynamic-import").map(({ path }) => `./${path}`);
  return [...new Set(later)].sort();
}
