// The documentation holds together: links lead somewhere, each error has its place in docs/troubleshooting.md, by its
// code and by its words, the messages that are quoted there are in the source, every option of connect() is told of, and
// what is to be run is there.

import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { thrownIn } from "./thrown.ts";

/** A page, its path from the root of the repository, and its text. */
export interface Page {
  readonly path: string;
  readonly text: string;
}

/** What looks like a code and is none, with the reason. */
const NO_CODES: Readonly<Record<string, string>> = {
  CLIENT_CERTIFICATE: "what tcp.ts tells connect_error.ts, which makes TLS of it",
  NO_CLIENT_CERTIFICATES: "what deno.ts of the adapter tells it, which makes TLS of that too",
};

/** How the page quotes what a message says. */
const QUOTED = /\*\*"([^"]+)"\*\*/g;

/** The codes that errors in `sources` have. */
export function codesIn(sources: readonly string[]): Set<string> {
  const codes = new Set<string>();
  const made = /(?:Error|super)\(\s*(?:options\?\.code \?\? )?"([A-Z][A-Z0-9_]+)"/g;
  for (const source of sources) {
    const code = source.replace(/\/\*[^]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
    const named = code.split("\n").filter((line) => /\bcode\b/.test(line)).join("\n");
    for (const [, found = ""] of code.matchAll(made)) codes.add(found);
    for (const [, found = ""] of named.matchAll(/"([A-Z][A-Z0-9_]+)"/g)) codes.add(found);
  }
  for (const name of Object.keys(NO_CODES)) codes.delete(name);
  return codes;
}

/** Which codes have no heading, which headings have no code, and which quoted messages the source does not have. */
export function checkTroubleshooting(page: string, sources: readonly string[]): string[] {
  const codes = codesIn(sources);
  const headings = new Set(
    [...page.matchAll(/^### ([A-Z][A-Z0-9_]+)$/gm)].map(([, name = ""]) => name),
  );
  const faults: string[] = [];
  for (const code of [...codes].sort()) {
    if (!headings.has(code)) faults.push(`docs/troubleshooting.md has no heading "### ${code}"`);
  }
  for (const heading of headings) {
    if (!codes.has(heading)) {
      faults.push(`docs/troubleshooting.md: no error has the code ${heading}`);
    }
  }
  const messages = sources.join("\n").replace(/\s+/g, " ");
  for (const [, quoted = ""] of page.matchAll(QUOTED)) {
    if (!messages.includes(quoted.replace(/\s+/g, " "))) {
      faults.push(`docs/troubleshooting.md: the source has no message "${quoted}"`);
    }
  }
  return faults;
}

/** Which errors have no words on the page, under the heading of their code, or under one that is none. */
export function checkMessages(page: string, sources: readonly string[]): string[] {
  const quoted = new Map<string, string[]>();
  for (const part of page.split(/^#{2,3} /m)) {
    const [heading = ""] = part.split("\n");
    const code = /^[A-Z][A-Z0-9_]+$/.test(heading) ? heading : "";
    const words = [...part.matchAll(QUOTED)].map(([, text = ""]) => text.replace(/\s+/g, " "));
    quoted.set(code, [...quoted.get(code) ?? [], ...words]);
  }
  const all = [...quoted.values()].flat();
  return sources.flatMap(thrownIn)
    .filter(({ code, made }) =>
      !(code === undefined ? all : quoted.get(code) ?? []).some((words) => made.includes(words))
    )
    .map(({ code, made }) =>
      `docs/troubleshooting.md has no words under ${
        code || "its programming mistakes"
      } of the error ${made.slice(0, 160)}`
    );
}

/**
 * Which reasons of `connect()` the page does not have. They are put into the one message of several servers, and are written
 * in `sources`, what to do about them behind a semicolon.
 */
export function checkReasons(page: string, sources: readonly string[]): string[] {
  const reason =
    /(?:reason:|return|[?:,])\s+"((?:it|the|this|a|connection|no answer|TLS) [^"]+|TLS failed)"/g;
  const reasons = sources.flatMap((source) => [...source.matchAll(reason)])
    .map(([, text = ""]) => text.split(";")[0] ?? "");
  if (reasons.length === 0) return ["src/adapters/nats has no reasons of connect()"];
  const text = page.replace(/\s+/g, " ");
  return [...new Set(reasons)].filter((reason) => !text.includes(reason))
    .map((reason) => `docs/troubleshooting.md does not tell of "${reason}"`);
}

/** Which rows of a page's tables begin with the same message: the second is what nobody reads. */
export function checkRows(page: string): string[] {
  const seen = new Set<string>();
  return page.split(/^## /m).flatMap((part) => {
    seen.clear();
    return [...part.matchAll(/^\| (\*\*"[^|]+"\*\*) +\|/gm)].flatMap(([, row = ""]) => {
      const words = [...row.matchAll(QUOTED)].map(([, text = ""]) => text);
      const twice = words.filter((text) =>
        [...seen].some((other) => other.includes(text) || text.includes(other))
      );
      words.forEach((text) => seen.add(text));
      return twice.map((text) => `docs/troubleshooting.md has two rows of "${text}"`);
    });
  });
}

/** Which names that are public, as `pattern` finds them in source, the page does not have. */
export function checkNames(page: Page, sources: readonly string[], pattern: RegExp): string[] {
  const names = new Set(
    sources.flatMap((source) => [...source.matchAll(pattern)].map(([, name = ""]) => name)),
  );
  if (names.size === 0) return [`the source has no ${pattern}`];
  const written = new Set([...page.text.matchAll(/`([^`\n]+)`/g)].map(([, name = ""]) => name));
  return [...names].sort().filter((name) => !written.has(name))
    .map((name) => `${page.path} does not tell of ${name}`);
}

/** Which options of `connect()` the page does not tell of. `source` is that of their interfaces. */
export function checkOptions(page: string, source: string): string[] {
  const options = [
    .../interface ConnectOptions \{([^]*?)^\}/m.exec(source)?.[1]
      ?.matchAll(/^ {2}readonly (\w+)\?:/gm) ?? [],
  ].map(([, name = ""]) => name);
  if (options.length === 0) return ["src/ports/options.ts has no options of ConnectOptions"];
  const told = (name: string) => new RegExp(`^\\|[^|]*\`${name}[\`.]`, "m").test(page);
  return options.filter((name) => !told(name))
    .map((name) => `docs/configuration.md does not tell of the option ${name}`);
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of withoutCode(text).matchAll(/^#{1,6} (.+)$/gm)) {
    const anchor = heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").trim().replace(
      /\s/g,
      "-",
    );
    let free = anchor;
    for (let n = 1; anchors.has(free); n++) free = `${anchor}-${n}`;
    anchors.add(free);
  }
  return anchors;
}

/** Links that lead nowhere. `exists` says whether there is a file or folder. */
export function checkLinks(pages: readonly Page[], exists: (path: string) => boolean): string[] {
  const texts = new Map(pages.map(({ path, text }) => [path, text]));
  const faults: string[] = [];
  for (const { path, text } of pages) {
    for (const [, target = ""] of withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file = "", anchor] = target.split("#");
      const to = file === "" ? path : normalize(join(dirname(path), file)).replaceAll("\\", "/");
      const there = texts.get(to);
      if (!exists(to)) faults.push(`${path}: there is no ${to}`);
      else if (anchor !== undefined && !(there !== undefined && anchorsOf(there).has(anchor))) {
        faults.push(`${path}: ${to} has no heading #${anchor}`);
      }
    }
  }
  return faults;
}

/** Commands that cannot be run: of tasks that there are none of, or of files that are not there. */
export function checkCommands(
  pages: readonly Page[],
  tasks: Readonly<Record<string, string>>,
  exists: (path: string) => boolean,
): string[] {
  return pages.flatMap(({ path, text }) => [
    ...[...text.matchAll(/\bdeno(?:@2)? task ([\w:-]+)/g)].filter(([, name = ""]) =>
      !(name in tasks)
    ).map(([, name]) => `${path}: there is no task ${name}`),
    ...[...text.matchAll(/\bdeno run -A ([\w/.-]+\.ts)/g)].filter(([, file = ""]) => !exists(file))
      .map(([, file]) => `${path}: there is no ${file}`),
  ]);
}

/** Whether the README tells of runtimes what docs/runtimes.md does, as one run has printed it. */
export function checkRuntimes(readme: string, page: string): string[] {
  const table = (text: string) => /^\| where .*\n(?:\|.*\n)+/m.exec(text)?.[0];
  const there = table(page);
  return there !== undefined && table(readme) === there
    ? []
    : ["README.md and docs/runtimes.md have not the same table of runtimes"];
}

function withoutCode(text: string): string {
  return text.replace(/^```[^]*?^```$/gm, "");
}

async function readTree(root: string, folder: string, extension: string): Promise<Page[]> {
  const found = await readdir(join(root, folder), { recursive: true });
  const files = found.filter((file) => file.endsWith(extension)).sort();
  return await Promise.all(files.map(async (file) => ({
    path: join(folder, file).replaceAll("\\", "/"),
    text: await readFile(join(root, folder, file), "utf8"),
  })));
}

async function main(): Promise<number> {
  const root = fileURLToPath(new URL("../", import.meta.url));
  const files = await readTree(root, "src", ".ts");
  const sources = files.map(({ text }) => text);
  const pages = await readTree(root, "docs", ".md");
  for (const path of ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]) {
    pages.push({ path, text: await readFile(join(root, path), "utf8") });
  }
  const pageOf = (name: string) =>
    pages.find(({ path }) => path === `docs/${name}`) ?? { path: `docs/${name}`, text: "" };
  const page = (name: string) => pageOf(name).text;
  const exists = (path: string) => existsSync(join(root, path));
  const { tasks } = JSON.parse(await readFile(join(root, "deno.json"), "utf8"));
  const options = await readFile(join(root, "src/ports/options.ts"), "utf8");
  const faults = [
    ...checkTroubleshooting(page("troubleshooting.md"), sources),
    // What tests say to whoever writes them is no error of the SDK.
    ...checkMessages(
      page("troubleshooting.md"),
      files.filter(({ path }) => !path.startsWith("src/testing/")).map(({ text }) => text),
    ),
    ...checkReasons(
      page("troubleshooting.md"),
      files.filter(({ path }) => /nats\/(connect|websocket)_error\.ts$/.test(path))
        .map(({ text }) => text),
    ),
    ...checkRows(page("troubleshooting.md")),
    // Headers and metrics are public. Who only begins a name is told by the names that it makes.
    ...checkNames(pageOf("wire.md"), sources, /"(aegis-[a-z-]+)"/g),
    ...checkNames(
      pageOf("observability.md"),
      sources,
      /"(aegis_[a-z_]+_(?:total|ms|state|token))"/g,
    ),
    ...checkOptions(page("configuration.md"), options),
    ...checkLinks(pages, exists),
    ...checkCommands(pages, tasks, exists),
    ...checkRuntimes(pages.find(({ path }) => path === "README.md")!.text, page("runtimes.md")),
  ];
  for (const fault of faults) console.error(fault);
  console.log(
    faults.length === 0
      ? `docs: ${pages.length} pages, ${codesIn(sources).size} codes`
      : `docs: ${faults.length} faults`,
  );
  return faults.length;
}

if (import.meta.main) process.exitCode = await main() === 0 ? 0 : 1;
