// Proves the import rules of the source: reads the module graph from `deno info` and prints what breaks them.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import {
  checkEdge,
  checkLayers,
  ENTRIES,
  type Import,
  medianLines,
  type Module,
  type Violation,
} from "./layers.ts";
import { packageModules } from "./package_graph.ts";
import { findDeno } from "./runtime.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

interface Resolved {
  readonly specifier?: string;
  readonly error?: string;
  readonly span: { readonly start: { readonly line: number } };
}

interface Graph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly error?: string;
    readonly npmPackage?: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      readonly code?: Resolved;
      readonly type?: Resolved;
    }[];
  }[];
  readonly redirects: Readonly<Record<string, string>>;
  readonly npmPackages: Readonly<Record<string, { readonly localPath?: string }>>;
}

/** The graph of everything in src and of the entries, reached from an entry or not. */
async function readGraph(files: readonly string[]): Promise<Graph> {
  const root = join(ROOT, ".cache", `layers-${process.pid}.ts`);
  await mkdir(dirname(root), { recursive: true });
  const imports = files.map((file) => `import ${JSON.stringify(pathToFileURL(join(ROOT, file)))};`);
  await writeFile(root, imports.join("\n"));
  try {
    const { bin } = await findDeno();
    const config = ["--config", join(ROOT, "deno.json")];
    const { stdout } = await promisify(execFile)(bin, ["info", "--json", ...config, root], {
      cwd: ROOT,
      maxBuffer: 1 << 28,
    });
    return JSON.parse(stdout) as Graph;
  } finally {
    await rm(root);
  }
}

async function sourceFiles(): Promise<string[]> {
  const found = await readdir(join(ROOT, "src"), { recursive: true });
  return found.filter((file) => file.endsWith(".ts")).map((file) =>
    `src/${file.replaceAll("\\", "/")}`
  ).sort();
}

/** A path from the root, or the name of a package without its version. */
function nameOf(specifier: string): string {
  if (specifier.startsWith("file:")) {
    return relative(ROOT, fileURLToPath(specifier)).replaceAll("\\", "/");
  }
  return specifier.replace(/^(npm|jsr):\/?((?:@[^/]+\/)?[^@/]+)(?:@[^/]*)?/, "$1:$2");
}

async function main(): Promise<number> {
  const missing = ENTRIES.filter((entry) => !existsSync(join(ROOT, entry)));
  const violations: Violation[] = missing.map((path) => ({
    path,
    line: 1,
    message: "the entry is missing",
  }));
  const files = [...ENTRIES.filter((entry) => !missing.includes(entry)), ...await sourceFiles()];
  const graph = await readGraph(files);
  const modules: Module[] = [];
  for (const file of files) {
    const url = pathToFileURL(join(ROOT, file)).href;
    const node = graph.modules.find((module) => module.specifier === url);
    if (node === undefined || node.error) {
      violations.push({ path: file, line: 1, message: node?.error ?? "Deno does not read it" });
    }
    const imports: Import[] = [];
    for (const { specifier, code, type } of node?.dependencies ?? []) {
      for (const [resolved, typeOnly] of [[code, false], [type, true]] as const) {
        if (resolved === undefined) continue;
        const line = resolved.span.start.line + 1;
        if (resolved.specifier) imports.push({ to: nameOf(resolved.specifier), line, typeOnly });
        else violations.push({ path: file, line, message: `cannot resolve ${specifier}` });
      }
    }
    modules.push({ path: file, text: await readFile(join(ROOT, file), "utf8"), imports });
  }
  const folders = new Map<string, string>();
  for (const [id, { localPath }] of Object.entries(graph.npmPackages)) {
    if (localPath) folders.set(id.replace(/(?<=.)@.*$/, ""), localPath);
  }
  const npm = packageModules(modules, folders);
  violations.push(...checkLayers(modules), ...checkEdge([...modules, ...npm]));
  for (const { path, line, message } of violations) console.error(`${path}:${line}: ${message}`);
  console.log(
    violations.length === 0
      ? `layers: ${files.length} files, median ${medianLines(modules)} lines, no violation`
      : `layers: ${violations.length} violations`,
  );
  return violations.length;
}

if (import.meta.main) process.exitCode = await main() === 0 ? 0 : 1;
