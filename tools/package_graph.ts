// The modules inside npm packages, as far as they are reached: `deno info` stops at a package's door.

import { existsSync, readFileSync, statSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join } from "node:path";
import type { Import, Module } from "./layers.ts";
import { codeOnly } from "./source_text.ts";

const IMPORT =
  /\b(?:require|import)\s*\(\s*(["'])([^"'\n]+)\1|\bfrom\s*(["'])([^"'\n]+)\3|^\s*import\s*(["'])([^"'\n]+)\5/gm;
const CONDITIONS = ["browser", "worker", "import", "module", "require", "node", "default"];

/** The modules of the packages in `folders` that `modules` reach. A package is a module named `npm:name`. */
export function packageModules(
  modules: readonly Module[],
  folders: ReadonlyMap<string, string>,
): Module[] {
  const found = new Map<string, Module>();
  const queue = modules.flatMap(({ imports }) => imports)
    .filter(({ to, typeOnly }) => to.startsWith("npm:") && !typeOnly).map(({ to }) => to);
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    if (found.has(at) || /^(node|missing|replaced):/.test(at)) continue;
    const module = at.startsWith("npm:") ? doorOf(at, folders) : read(at);
    found.set(at, module);
    queue.push(...module.imports.map(({ to }) => to));
  }
  return [...found.values()];
}

/** The package itself, which imports the file that its manifest names. */
function doorOf(specifier: string, folders: ReadonlyMap<string, string>): Module {
  const [, name = "", path = ""] = /^npm:((?:@[^/]+\/)?[^/]+)(\/.*)?$/.exec(specifier) ?? [];
  const folder = folders.get(name);
  const file = folder === undefined ? undefined : fileOf(folder, `.${path}`);
  const to = file ?? `missing:${specifier}`;
  return { path: specifier, text: "", imports: [{ to, line: 1, typeOnly: false }] };
}

function fileOf(folder: string, path: string): string | undefined {
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const { exports } = manifest;
  const whole = typeof exports === "object" && exports !== null && "." in exports
    ? exports[path]
    : path === "."
    ? exports
    : undefined;
  const target = pick(whole) ??
    (path === "." ? manifest.module ?? manifest.main ?? "index.js" : path);
  return onDisk(join(folder, target));
}

function pick(target: unknown): string | undefined {
  if (typeof target === "string" || target === undefined) return target;
  for (const condition of CONDITIONS) {
    const value = pick((target as Record<string, unknown>)[condition]);
    if (value !== undefined) return value;
  }
  return undefined;
}

function onDisk(path: string): string | undefined {
  return [path, `${path}.js`, `${path}.mjs`, `${path}.cjs`, join(path, "index.js")]
    .find((candidate) => existsSync(candidate) && statSync(candidate).isFile());
}

function read(path: string): Module {
  const text = readFileSync(path, "utf8");
  const code = codeOnly(text);
  const imports: Import[] = [];
  for (const match of text.matchAll(IMPORT)) {
    // A match inside a comment or a string has its first letter blanked.
    const start = match.index + match[0].search(/\S/);
    if (code[start] !== text[start]) continue;
    const specifier = match[2] ?? match[4] ?? match[6] ?? "";
    const line = text.slice(0, start).split("\n").length;
    imports.push({ to: resolve(path, specifier), line, typeOnly: false });
  }
  return { path, text: "", imports };
}

function resolve(from: string, specifier: string): string {
  if (replacements(dirname(from))[specifier] === false) return `replaced:${specifier}`;
  if (specifier.startsWith(".")) {
    const path = join(dirname(from), specifier);
    return onDisk(path) ?? `missing:${path}`;
  }
  if (specifier.startsWith("node:")) return specifier;
  return builtinModules.includes(specifier) ? `node:${specifier}` : `npm:${specifier}`;
}

const manifests = new Map<string, Readonly<Record<string, unknown>>>();

/** The `browser` field of the package that holds `folder`: with `false` bundlers leave a module out. */
function replacements(folder: string): Readonly<Record<string, unknown>> {
  let known = manifests.get(folder);
  if (known === undefined) {
    const path = join(folder, "package.json");
    const parent = dirname(folder);
    const { browser } = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {};
    if (typeof browser === "object" && browser !== null) known = browser;
    else known = existsSync(path) || parent === folder ? {} : replacements(parent);
    manifests.set(folder, known ?? {});
  }
  return known ?? {};
}
