// The runtimes that the tests run on: found on this machine, or installed from npm into a cache folder.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A runtime that can be started. */
export interface Runtime {
  /** Its name. */
  readonly name: "deno" | "bun" | "node";
  /** The path of the executable. */
  readonly bin: string;
  /** Its version, such as `"24.21.0"`. */
  readonly version: string;
}

interface Source {
  readonly name: Runtime["name"];
  /** The environment variable that names the executable. */
  readonly variable: string;
  /** The oldest version that runs the tests. */
  readonly oldest: string;
  /** The version of the npm package to install when there is none. */
  readonly pinned: string;
  /** Whether only the major version of `oldest` will do. */
  readonly exactly?: boolean;
}

/** The versions of Node that the package is tried on: the oldest that it supports, and those that are maintained. */
const NODES = { 20: "20.20.2", 22: "22.23.3", 24: "24.21.0" } as const;

/** One of the major versions of Node that are tried. */
export type NodeMajor = keyof typeof NODES;

const CACHE = fileURLToPath(new URL("../.cache/runtimes/", import.meta.url));

/**
 * Bun: `BUN_BIN`, else the PATH, else installed from npm.
 *
 * @throws {Error} when there is none and none can be installed; the message says what to do.
 */
export function findBun(): Promise<Runtime> {
  return find({ name: "bun", variable: "BUN_BIN", oldest: "1.3.0", pinned: "1.4.5" });
}

/**
 * A Node that strips types by itself (22.18 or newer): `NODE_BIN`, else the PATH, else installed from npm.
 *
 * @throws {Error} when there is none and none can be installed; the message says what to do.
 */
export function findNode(): Promise<Runtime> {
  return find({ name: "node", variable: "NODE_BIN", oldest: "22.18.0", pinned: "24.21.0" });
}

/**
 * A Node of this major version: `NODE_20_BIN`, `NODE_22_BIN` or `NODE_24_BIN`, else the PATH, else installed from npm.
 *
 * @throws {Error} when there is none and none can be installed; the message says what to do.
 */
export function findNodeOf(major: NodeMajor): Promise<Runtime> {
  const oldest = `${major}.0.0`;
  const variable = `NODE_${major}_BIN`;
  return find({ name: "node", variable, oldest, pinned: NODES[major], exactly: true });
}

/**
 * Deno: the one that runs this program, else `DENO_BIN`, else the PATH, else installed from npm.
 *
 * @throws {Error} when there is none and none can be installed; the message says what to do.
 */
export async function findDeno(): Promise<Runtime> {
  const version = process.versions["deno"];
  if (version !== undefined) return { name: "deno", bin: process.execPath, version };
  return await find({ name: "deno", variable: "DENO_BIN", oldest: "2.4.0", pinned: "2.9.6" });
}

async function find(source: Source): Promise<Runtime> {
  const { name, variable, oldest, pinned, exactly = false } = source;
  const fits = ({ version }: Runtime) =>
    !isOlder(version, oldest) && (!exactly || parseInt(version) === parseInt(oldest));
  const named = process.env[variable];
  if (named) {
    const runtime = await inspect(name, named);
    if (runtime && fits(runtime)) return runtime;
    const fault = runtime ? `${name} ${runtime.version}` : `not a ${name} that runs`;
    throw new Error(
      `${variable} is "${named}", which is ${fault}; ${name} ${
        exactly ? parseInt(oldest) : oldest
      } is needed`,
    );
  }
  const exe = process.platform === "win32" ? `${name}.exe` : name;
  for (const folder of (process.env["PATH"] ?? "").split(delimiter).filter(Boolean)) {
    const bin = join(folder, exe);
    const runtime = existsSync(bin) ? await inspect(name, bin) : undefined;
    if (runtime && fits(runtime)) return runtime;
  }
  const prefix = join(CACHE, `${name}-${pinned}`);
  const bin = installedIn(prefix, name);
  const installed = await inspect(name, bin) ?? await install(source, prefix, bin);
  if (installed !== undefined) return installed;
  throw new Error(`npm installed ${name}@${pinned} in ${prefix}, and it does not run`);
}

/** Where npm puts it. On Windows `.bin` has scripts of its shell, and the program lies in its package. */
function installedIn(prefix: string, name: Runtime["name"]): string {
  const modules = join(prefix, "node_modules");
  if (process.platform !== "win32") return join(modules, ".bin", name);
  const folder = name === "deno" ? [] : ["bin"];
  return join(modules, name, ...folder, `${name}.exe`);
}

async function install(
  { name, variable, oldest, pinned }: Source,
  prefix: string,
  bin: string,
): Promise<Runtime | undefined> {
  process.stderr.write(
    `${name}: none of ${oldest} or newer here, installing ${pinned} to ${prefix}\n`,
  );
  await mkdir(prefix, { recursive: true });
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const options = ["--no-audit", "--no-fund", "--no-save", "--loglevel=error"];
  try {
    await run(npm, ["install", "--prefix", prefix, ...options, `${name}@${pinned}`], {
      shell: process.platform === "win32",
    });
  } catch (cause) {
    throw new Error(
      `There is no ${name} ${oldest} or newer, and npm cannot install one. ` +
        `Install it and put it on the PATH, or name it in ${variable}`,
      { cause },
    );
  }
  return await inspect(name, bin);
}

async function inspect(name: Runtime["name"], bin: string): Promise<Runtime | undefined> {
  try {
    const { stdout } = await run(bin, ["--version"]);
    const version = /\d+\.\d+\.\d+/.exec(stdout)?.[0];
    return version === undefined ? undefined : { name, bin, version };
  } catch {
    return undefined; // it does not run, which is as good as not there
  }
}

function isOlder(version: string, than: string): boolean {
  return version.localeCompare(than, "en", { numeric: true }) < 0;
}

if (import.meta.main) {
  for (const find of [findDeno, findBun, findNode]) {
    const { name, version, bin } = await find();
    console.log(`${name} ${version} ${bin}`);
  }
}
