// The nats-server binary: found on this machine, or fetched into a cache folder.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A Debian suite that has a nats-server: the oldest one supported, the one between, the newest. */
export type Suite = "bookworm" | "trixie" | "sid";

/** A nats-server that can be started. */
export interface NatsBinary {
  /** The path of the executable. */
  readonly bin: string;
  /** Its version, such as `"2.10.27"`. */
  readonly version: string;
}

/** The release of NATS's own that stands in for a suite where Debian's packages cannot be had. */
const RELEASES: Readonly<Record<Suite, string>> = {
  bookworm: "2.9.10",
  trixie: "2.10.27",
  sid: "2.15.1",
};

const RELEASES_URL = "https://github.com/nats-io/nats-server/releases/download";
const DEBIAN_URL = "http://deb.debian.org/debian";
const CACHE = fileURLToPath(new URL("../.cache/nats-server/", import.meta.url));
const EXE = process.platform === "win32" ? "nats-server.exe" : "nats-server";
const LOCK_STALE_MS = 180_000;

/**
 * A nats-server: that of `suite` or `NATS_SERVER_SUITE` when one is named, else `NATS_SERVER_BIN`, else one on the
 * PATH, else one from the cache folder, else the newest that can be fetched into it. It says on stderr what it fetched.
 *
 * @throws {RangeError} for a suite that is none.
 * @throws {Error} when there is none and none can be fetched; the message says what was tried.
 */
export async function findNatsServer(suite?: Suite): Promise<NatsBinary> {
  const wanted = suite === undefined ? suiteFromEnvironment() : assertSuite(suite, "suite");
  if (wanted === undefined) {
    const named = process.env["NATS_SERVER_BIN"];
    if (named) return await inspect(named);
    const installed = onPath();
    if (installed) return await inspect(installed);
  }
  return await inspect(await cached(wanted ?? "sid", wanted === undefined));
}

function suiteFromEnvironment(): Suite | undefined {
  const value = process.env["NATS_SERVER_SUITE"];
  return value ? assertSuite(value, "NATS_SERVER_SUITE") : undefined;
}

/** A suite that somebody has written. @throws {RangeError} when it is none. */
function assertSuite(value: string, where: string): Suite {
  if (Object.hasOwn(RELEASES, value)) return value as Suite;
  throw new RangeError(
    `Cannot use ${JSON.stringify(value)} as ${where}: there are ${
      Object.keys(RELEASES).join(", ")
    }`,
  );
}

function onPath(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter(Boolean);
  if (process.platform !== "win32") folders.push("/usr/local/sbin", "/usr/sbin");
  return folders.map((folder) => join(folder, EXE)).find(existsSync);
}

const inspected = new Map<string, Promise<NatsBinary>>();

/** The version of a binary, asked for once. */
function inspect(bin: string): Promise<NatsBinary> {
  let known = inspected.get(bin);
  if (known === undefined) {
    known = run(bin, ["--version"]).then(({ stdout }) => {
      const version = /v?(\d+\.\d+\.\d+\S*)/.exec(stdout)?.[1];
      if (version === undefined) {
        throw new Error(`${bin} --version says "${stdout.trim()}", not a nats-server's version`);
      }
      return { bin, version };
    }, (cause) => {
      throw new Error(`Cannot run nats-server at ${bin}`, { cause });
    });
    inspected.set(bin, known);
  }
  return known;
}

/** The binary of `suite` in the cache, fetched when it is not there; one process fetches, the others wait for it. */
async function cached(suite: Suite, anyVersion: boolean): Promise<string> {
  const target = join(CACHE, suite, EXE);
  if (existsSync(target)) return target;
  await mkdir(CACHE, { recursive: true });
  const lock = join(CACHE, `${suite}.lock`);
  while (!await takeLock(lock)) {
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const work = await mkdtemp(join(CACHE, "fetch-"));
  try {
    if (existsSync(target)) return target;
    say(`no nats-server here, fetching one to ${target}`);
    const fetched = await fetchAny(suite, anyVersion, work);
    await mkdir(join(CACHE, suite), { recursive: true });
    await chmod(fetched, 0o755);
    await rename(fetched, target);
    return target;
  } finally {
    await rm(work, { recursive: true, force: true });
    await rm(lock, { recursive: true, force: true });
  }
}

async function takeLock(lock: string): Promise<boolean> {
  try {
    await mkdir(lock);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== "EEXIST") throw error;
  }
  const taken = await stat(lock).catch(() => undefined); // gone in between: the next try takes it
  if (taken !== undefined && Date.now() - taken.mtimeMs > LOCK_STALE_MS) {
    await rm(lock, { recursive: true, force: true });
  }
  return false;
}

/** Tries the sources in turn, the newest server first; returns the path of the binary in `work`. */
async function fetchAny(suite: Suite, anyVersion: boolean, work: string): Promise<string> {
  const sources: [name: string, get: () => Promise<string>][] = [
    [`Debian ${suite}`, () => fetchDebian(work, suite)],
    [`NATS release ${RELEASES[suite]}`, () => fetchRelease(work, RELEASES[suite])],
  ];
  // That of Ubuntu is years older, and tests that ask for the newest would find it in the newest one's place.
  if (anyVersion) sources.push(["this system's package", () => fetchDebian(work)]);
  const failures: string[] = [];
  for (const [name, get] of sources) {
    try {
      const bin = await get();
      say(`took nats-server from ${name}`);
      return bin;
    } catch (error) {
      failures.push(`  ${name}: ${reason(error)}`);
      say(`${name} cannot be had: ${reason(error)}`);
    }
  }
  throw new Error(
    "There is no nats-server on this machine and none can be fetched. Install one and put it on the PATH, or name it " +
      `in NATS_SERVER_BIN. Tried:\n${failures.join("\n")}`,
  );
}

/**
 * Downloads and unpacks Debian's package, which needs no root: of `suite` with package lists of its own, or with the
 * system's lists when no suite is named.
 */
async function fetchDebian(work: string, suite?: Suite): Promise<string> {
  const options: string[] = [];
  if (suite !== undefined) {
    const apt = join(work, "apt");
    await mkdir(join(apt, "lists", "partial"), { recursive: true });
    await mkdir(join(apt, "cache", "archives", "partial"), { recursive: true });
    await writeFile(join(apt, "sources.list"), `deb ${DEBIAN_URL} ${suite} main\n`);
    options.push(
      `-oDir::Etc::SourceList=${join(apt, "sources.list")}`,
      "-oDir::Etc::SourceParts=/dev/null",
      `-oDir::State::Lists=${join(apt, "lists")}`,
      `-oDir::Cache=${join(apt, "cache")}`,
      "-oAcquire::Languages=none",
      "-oAPT::Sandbox::User=root", // as root apt drops to a user who may not enter the cache folder
    );
    await run("apt-get", ["update", "-qq", ...options]);
  }
  const packages = join(work, suite ?? "system");
  await mkdir(packages, { recursive: true });
  await run("apt-get", ["download", "-qq", ...options, "nats-server"], { cwd: packages });
  await run("sh", ["-c", "exec dpkg -x nats-server_*.deb unpacked"], { cwd: packages });
  return join(packages, "unpacked", "usr", "sbin", "nats-server");
}

/** Downloads NATS's own release for this system and checks it against the release's checksums. */
export async function fetchRelease(
  work: string,
  version: string,
  url: string = RELEASES_URL,
): Promise<string> {
  const os = process.platform === "win32" ? "windows" : process.platform;
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  const folder = `nats-server-v${version}-${os}-${arch}`;
  const file = `${folder}.${os === "windows" ? "zip" : "tar.gz"}`;
  const [archive, sums] = await Promise.all([
    download(`${url}/v${version}/${file}`),
    download(`${url}/v${version}/SHA256SUMS`),
  ]);
  const line = sums.toString().split("\n").find((line) => line.trim().endsWith(file));
  const sum = createHash("sha256").update(archive).digest("hex");
  if (line?.split(/\s/)[0] !== sum) {
    throw new Error(`${file} does not match the checksum of its release`);
  }
  await writeFile(join(work, file), archive);
  await run("tar", ["-xf", file], { cwd: work });
  const bin = join(work, EXE);
  await cp(join(work, folder, EXE), bin);
  return bin;
}

async function download(url: string): Promise<Buffer> {
  const response = await fetch(url, { signal: AbortSignal.timeout(120_000) });
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

function reason(error: unknown): string {
  const { stderr, message, cause } = error as { stderr?: string; message: string; cause?: Error };
  const text = stderr?.trim().split("\n")[0] || message;
  return cause instanceof Error ? `${text} (${cause.message})` : text;
}

function say(line: string): void {
  process.stderr.write(`nats-server: ${line}\n`);
}

async function main(): Promise<void> {
  const suites = process.argv.slice(2).map((suite) => assertSuite(suite, "a suite"));
  for (const suite of [undefined, ...suites]) {
    const { bin, version } = await findNatsServer(suite);
    console.log(`nats-server ${version} ${bin}`);
  }
}

if (import.meta.main) {
  await main().catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
