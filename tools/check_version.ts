// The newest heading of CHANGELOG.md is the version of deno.json and jsr.json; with `--tag v1.2.3`, ready to be
// published under that tag.

import { readFile } from "node:fs/promises";
import process from "node:process";
import { parseArgs } from "node:util";

/** What is published, as three files say it. */
export interface Said {
  /** The text of CHANGELOG.md. */
  readonly changelog: string;
  /** The version of deno.json. */
  readonly deno: string | undefined;
  /** The version of jsr.json. */
  readonly jsr: string | undefined;
}

const HEADING = /^## (\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?) - (\d{4}-\d{2}-\d{2}|Unreleased)$/;

/** What is wrong, in sentences. `tag` is the tag that a release is made from. */
export function checkVersion({ changelog, deno, jsr }: Said, tag?: string): string[] {
  const heading = changelog.split("\n").find((line) => line.startsWith("## "));
  const [, version, date] = HEADING.exec(heading ?? "") ?? [];
  if (version === undefined) {
    return [
      `CHANGELOG.md: the newest heading is "${heading}", and has to be like "## 1.2.3 - 2026-01-31" or "- Unreleased"`,
    ];
  }
  const faults: string[] = [];
  for (const [file, said] of [["deno.json", deno], ["jsr.json", jsr]] as const) {
    if (said !== version) {
      faults.push(`${file} is ${said}, and the newest heading of CHANGELOG.md is ${version}`);
    }
  }
  if (tag !== undefined && tag !== `v${version}`) {
    faults.push(`the tag is ${tag}, and has to be v${version}`);
  }
  if (tag !== undefined && date === "Unreleased") {
    faults.push(`CHANGELOG.md: ${version} is unreleased; its heading needs the day of the release`);
  }
  return faults;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { tag: { type: "string" } } });
  const read = (file: string) => readFile(new URL(`../${file}`, import.meta.url), "utf8");
  const versionOf = async (file: string) =>
    (JSON.parse(await read(file)) as { version?: string }).version;
  const faults = checkVersion({
    changelog: await read("CHANGELOG.md"),
    deno: await versionOf("deno.json"),
    jsr: await versionOf("jsr.json"),
  }, values.tag);
  for (const fault of faults) console.error(fault);
  console.log(
    faults.length === 0 ? "version: one in all files" : `version: ${faults.length} faults`,
  );
  return faults.length;
}

if (import.meta.main) process.exitCode = await main() === 0 ? 0 : 1;
