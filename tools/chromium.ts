// A Chromium without a window: one that is here, or the one that npm has for Linux.

import { constants, createReadStream, createWriteStream } from "node:fs";
import { access, mkdir, rename, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import process from "node:process";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { createBrotliDecompress } from "node:zlib";
import { execute, mustExecute } from "./execute.ts";

/** A browser that runs here. */
export interface Chromium {
  /** The program. */
  readonly bin: string;
  /** Its version, such as `"153.0.8010.0"`. */
  readonly version: string;
  /** What its environment needs. */
  readonly env: Readonly<Record<string, string>>;
}

/** The package of npm that has it, for Linux on x64, with the libraries that not every system has. */
const PACKAGE = "@sparticuz/chromium";
const PINNED = "153.0.0";
const CACHE = fileURLToPath(new URL(`../.cache/chromium-${PINNED}/`, import.meta.url));
const NAMES = ["chromium-headless-shell", "chromium", "google-chrome", "chromium-browser"];

/** The browser that `CHROMIUM_BIN` names, one on the PATH, or one that was installed before; undefined where there is none. */
export async function findChromium(): Promise<Chromium | undefined> {
  const named = process.env["CHROMIUM_BIN"];
  if (named) {
    const found = await inspect(named);
    if (found === undefined) throw new Error(`CHROMIUM_BIN is "${named}", which does not run`);
    return found;
  }
  for (const folder of (process.env["PATH"] ?? "").split(delimiter).filter(Boolean)) {
    for (const name of NAMES) {
      const found = await inspect(join(folder, name));
      if (found !== undefined) return found;
    }
  }
  const bin = join(CACHE, "chromium");
  return await inspect(bin) ?? await inspect(bin, { LD_LIBRARY_PATH: join(CACHE, "lib") });
}

/**
 * The same, or one that is installed into `.cache/`.
 *
 * @throws {Error} where npm cannot install one that runs.
 */
export async function ensureChromium(): Promise<Chromium> {
  const found = await findChromium();
  if (found !== undefined) return found;
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new Error("There is no Chromium here; install one, and name it in CHROMIUM_BIN");
  }
  process.stderr.write(`chromium: none here, installing that of ${PACKAGE}@${PINNED}\n`);
  await mkdir(CACHE, { recursive: true });
  const quiet = ["--no-audit", "--no-fund", "--no-save", "--loglevel=error", "--ignore-scripts"];
  await mustExecute(["npm", "install", "--prefix", CACHE, ...quiet, `${PACKAGE}@${PINNED}`]);
  const packed = (name: string) => join(CACHE, "node_modules", PACKAGE, "bin", name);
  const libraries = join(CACHE, "libraries.tar");
  await unpack(packed("al2023.tar.br"), libraries);
  await mustExecute(["tar", "-x", "-f", libraries, "-C", CACHE]);
  await unpack(packed("chromium.br"), join(CACHE, "chromium"));
  await Promise.all(
    [libraries, join(CACHE, "node_modules")].map((path) => rm(path, { recursive: true })),
  );
  const installed = await findChromium();
  if (installed !== undefined) return installed;
  throw new Error(`The Chromium of ${PACKAGE}@${PINNED} does not run here`);
}

/** A file that is there is whole. */
async function unpack(from: string, to: string): Promise<void> {
  const part = `${to}.part`;
  await pipeline(
    createReadStream(from),
    createBrotliDecompress(),
    createWriteStream(part, { mode: 0o755 }),
  );
  await rename(part, to);
}

async function inspect(bin: string, env: Chromium["env"] = {}): Promise<Chromium | undefined> {
  const isThere = await access(bin, constants.X_OK).then(() => true, () => false);
  if (!isThere) return undefined;
  const { code, output } = await execute([bin, "--version"], { env, limitMs: 20_000 });
  const version = /\d+\.\d+\.\d+\.\d+/.exec(output)?.[0];
  return code === 0 && version !== undefined ? { bin, version, env } : undefined;
}

if (import.meta.main) {
  const { bin, version } = await ensureChromium();
  console.log(`chromium ${version} ${bin}`);
}
