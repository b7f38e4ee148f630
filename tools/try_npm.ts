// Installs the built package into fresh projects and uses it there: Node 20 and 24, Bun, and a bundle of esbuild.

import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { buildNpm, packNpm } from "./build_npm.ts";
import { mustExecute } from "./execute.ts";
import { findBun, findNodeOf } from "./runtime.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const CONSUMER = join(ROOT, "tools", "npm_consumer");
const WORKS = "the package works";

/** The strictest that a program may ask for, and no types but its own and the package's. */
const STRICT = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  target: "ES2022",
  module: "NodeNext",
  types: [],
  outDir: "built",
};

/** A project of its own folder that has the program and nothing else. */
async function project(base: string, name: string): Promise<string> {
  const folder = join(base, name);
  await mkdir(folder);
  await cp(CONSUMER, folder, { recursive: true });
  await writeFile(
    join(folder, "package.json"),
    JSON.stringify({ name, private: true, type: "module" }),
  );
  return folder;
}

async function works(folder: string, bin: string, file: string): Promise<void> {
  const output = await mustExecute([bin, file], { cwd: folder });
  if (!output.split("\n").includes(WORKS)) throw new Error(`${bin} ${file} prints: ${output}`);
}

/** Installed by npm: type-checked as strictly as can be, then run by the oldest Node and the newest. */
async function inNode(folder: string, tarball: string, valibot: string): Promise<string[]> {
  const quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];
  await mustExecute(["npm", "install", ...quiet, tarball, `valibot@${valibot}`], { cwd: folder });
  await claimed(folder);
  const files = ["program.ts", "page.ts"];
  await writeFile(
    join(folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions: STRICT, files }),
  );
  const tsc = ["deno", "run", "-A", join(ROOT, "node_modules", "typescript", "bin", "tsc")];
  await mustExecute(tsc, { cwd: folder });
  // Bundlers find packages in another way than Node does.
  const bundler = ["--module", "ESNext", "--moduleResolution", "Bundler", "--noEmit"];
  await mustExecute([...tsc, ...bundler], { cwd: folder });
  const done = ["types for Node and bundlers"];
  for (const { bin, version } of await Promise.all([findNodeOf(20), findNodeOf(24)])) {
    for (const program of [join("built", "program.js"), "require.cjs"]) {
      await works(folder, bin, program);
    }
    done.push(`Node ${version}`);
  }
  await bundledForNode(folder);
  return [...done, await bundled(folder)];
}

/** Bundled as one ES module for Node, as docs/runtimes.md says it: the program runs. */
async function bundledForNode(folder: string): Promise<void> {
  const page = await readFile(join(ROOT, "docs", "runtimes.md"), "utf8");
  const js = /--banner:js='([^']+)'/.exec(page)?.[1];
  if (js === undefined) throw new Error("docs/runtimes.md has no banner for esbuild");
  const outfile = join(folder, "bundle.mjs");
  await build({
    entryPoints: [join(folder, "program.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    external: ["@nats-io/transport-deno"], // npm does not have it, and Node does not use it
    banner: { js },
    logLevel: "silent",
  });
  const { bin } = await findNodeOf(20);
  await works(folder, bin, "bundle.mjs");
}

/** Whether the tables have as many packages as were installed, and their size, give or take a twentieth. */
async function claimed(folder: string): Promise<void> {
  const installed = join(folder, "node_modules");
  const lock = JSON.parse(await readFile(join(installed, ".package-lock.json"), "utf8"));
  const packages = Object.keys(lock.packages).length;
  const found = await readdir(installed, { recursive: true });
  const sizes = await Promise.all(
    found.map(async (file) => (await stat(join(installed, file))).size),
  );
  const megabytes = sizes.reduce((sum, size) => sum + size, 0) / 1_024_000;
  for (const page of ["README.md", "docs/comparison.md"]) {
    const text = await readFile(join(ROOT, page), "utf8");
    const [, said, size] =
      /^\| packages installed, size on disk +\| (\d+), ([\d.]+) MB /m.exec(text) ?? [];
    if (Number(said) !== packages || !(Math.abs(Number(size) / megabytes - 1) < 0.05)) {
      const is = `${packages}, ${megabytes.toFixed(1)} MB`;
      throw new Error(`${page} says that ${said}, ${size} MB are installed; it is ${is}`);
    }
  }
}

/** Bundled as for a browser, with nothing left to import: the bundle runs. */
async function bundled(folder: string): Promise<string> {
  const outfile = join(folder, "page.mjs");
  const { metafile } = await build({
    entryPoints: [join(folder, "page.ts")],
    outfile,
    bundle: true,
    minify: true,
    platform: "browser",
    format: "esm",
    target: "es2022",
    metafile: true,
    logLevel: "silent",
  });
  const [output] = Object.values(metafile.outputs);
  if (output === undefined || output.imports.length > 0) {
    throw new Error(`the bundle still imports ${output?.imports.map(({ path }) => path)}`);
  }
  const { greeting } = await import(pathToFileURL(outfile).href);
  const { text } = await greeting("page");
  if (text !== "Hello, page") throw new Error(`the bundle greets with ${text}`);
  return `esbuild (${Math.round((await readFile(outfile)).length / 1000)} kB)`;
}

/** Installed by Bun, which runs the program as it is written. */
async function inBun(folder: string, tarball: string, valibot: string): Promise<string[]> {
  const { bin, version } = await findBun();
  await mustExecute([bin, "add", "--silent", tarball, `valibot@${valibot}`], { cwd: folder });
  await works(folder, bin, "program.ts");
  return [`Bun ${version}`];
}

async function main(): Promise<void> {
  const manifest = await buildNpm();
  const tarball = await packNpm(manifest);
  const valibot = manifest.dependencies["valibot"] ?? "";
  const base = await mkdtemp(join(tmpdir(), "aegis-npm-"));
  try {
    const done = await Promise.all([
      inNode(await project(base, "node-project"), tarball, valibot),
      inBun(await project(base, "bun-project"), tarball, valibot),
    ]);
    console.log(`${manifest.name} ${manifest.version} from npm: ${done.flat().join(", ")}`);
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

await main();
process.exit(0); // esbuild's own process would keep this one
