// Every entry exports what is promised, with examples, and the three full entries export the same. With `--fix` what is
// new is promised from now on.

import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ENTRIES } from "./layers.ts";
import { findDeno } from "./runtime.ts";

/** The entries that share `src/api.ts`. */
const FULL = ["mod.ts", "edge.ts", "deno.ts"];

const LIST = fileURLToPath(new URL("public_names.json", import.meta.url));

/** The names that each entry exports, values and types. */
export type PublicNames = Readonly<Record<string, readonly string[]>>;

/**
 * What is wrong with the names that each entry exports, in sentences. `promised` is what programs are written against: a
 * name stays once it is there, and what is exported is promised.
 */
export function checkExports(
  exported: ReadonlyMap<string, readonly string[]>,
  promised: PublicNames,
): string[] {
  const faults: string[] = [];
  for (const [entry, names] of Object.entries(promised)) {
    for (const name of names) {
      if (!exported.get(entry)?.includes(name)) faults.push(`${entry} does not export ${name}`);
    }
    for (const name of exported.get(entry) ?? []) {
      if (!names.includes(name)) {
        faults.push(
          `${entry} exports ${name}, which is not promised; if it is to be public: ` +
            "`deno run -A tools/check_exports.ts --fix`",
        );
      }
    }
  }
  const all = [...new Set(FULL.flatMap((entry) => exported.get(entry) ?? []))].sort();
  for (const entry of FULL) {
    for (const name of all.filter((name) => !exported.get(entry)?.includes(name))) {
      faults.push(`${entry} does not export ${name}, which another full entry exports`);
    }
  }
  return [...new Set(faults)];
}

interface Documented {
  readonly tags?: readonly { readonly kind: string; readonly doc?: string }[];
}

/** An entry, as `deno doc --json` describes it. */
export interface DocumentedEntry {
  readonly module_doc?: Documented & { readonly doc?: string };
  readonly symbols?: readonly {
    readonly name: string;
    readonly declarations: readonly { readonly kind: string; readonly jsDoc?: Documented }[];
  }[];
}

/** What programs call, make or read. */
const USED: readonly string[] = ["function", "class", "variable"];

/** What programs have in hand, or write themselves. Interfaces of options and of data say all by their fields. */
const SHOWN: readonly string[] = [
  "Bus",
  "Client",
  "Codec",
  "CommandContext",
  "CommandHandle",
  "Context",
  "DeadLetterBox",
  "InstanceWatch",
  "Kv",
  "KvWatch",
  "LoggerLike",
  "ReadableMetrics",
  "ServiceClient",
  "Tracer",
];

interface Documentation {
  readonly nodes: Readonly<Record<string, DocumentedEntry>>;
}

/** Whether there is an example that `deno test --doc` compiles and runs, as it does not where the block says `ignore`. */
const hasExample = (of: Documented | undefined): boolean =>
  of?.tags?.some(({ kind, doc = "" }) => kind === "example" && /^```ts$/m.test(doc)) ?? false;

/** What lacks an example: entries, and what programs use of them, whose overloads share one. Other types have none. */
export function checkExamples(entry: string, documented: DocumentedEntry): string[] {
  const { module_doc, symbols = [] } = documented;
  const faults: string[] = [];
  if (!module_doc?.doc || !hasExample(module_doc)) {
    faults.push(`${entry} has no documentation of the module with an example`);
  }
  for (const { name, declarations } of symbols) {
    const used = declarations.filter(({ kind }) =>
      USED.includes(kind) || kind === "interface" && SHOWN.includes(name)
    );
    if (used.length > 0 && !used.some(({ jsDoc }) => hasExample(jsDoc))) {
      faults.push(`${entry}: ${name} has no example`);
    }
  }
  return faults;
}

async function readEntry(entry: string): Promise<DocumentedEntry> {
  const { bin } = await findDeno();
  const cwd = fileURLToPath(new URL("../", import.meta.url));
  const { stdout } = await promisify(execFile)(bin, ["doc", "--json", entry], {
    cwd,
    maxBuffer: 1 << 28,
  });
  const [module] = Object.values((JSON.parse(stdout) as Documentation).nodes);
  return module ?? {};
}

async function main(): Promise<number> {
  const exported = new Map<string, readonly string[]>();
  const faults: string[] = [];
  for (const entry of ENTRIES) {
    try {
      const documented = await readEntry(entry);
      exported.set(entry, (documented.symbols ?? []).map(({ name }) => name).sort());
      faults.push(...checkExamples(entry, documented));
    } catch (error) {
      faults.push(
        `${entry} cannot be read: ${(error as { stderr?: string }).stderr?.trim() || error}`,
      );
    }
  }
  let promised = JSON.parse(await readFile(LIST, "utf8")) as PublicNames;
  if (process.argv.includes("--fix")) {
    promised = withNew(promised, exported);
    await writeFile(LIST, JSON.stringify(promised, undefined, 2) + "\n");
  }
  faults.push(...checkExports(exported, promised));
  for (const fault of faults) console.error(fault);
  console.log(
    faults.length === 0
      ? `exports: ${exported.get("mod.ts")?.length} names, the same from ${FULL.join(", ")}`
      : `exports: ${faults.length} faults`,
  );
  return faults.length;
}

/** The list with what is new. What is gone stays in it, for somebody to see. */
function withNew(
  promised: PublicNames,
  exported: ReadonlyMap<string, readonly string[]>,
): PublicNames {
  return Object.fromEntries(
    // One list for the three full entries, which export the same.
    ENTRIES.filter((entry) => entry === "mod.ts" || !FULL.includes(entry)).map((entry) => [
      entry,
      [...new Set([...promised[entry] ?? [], ...exported.get(entry) ?? []])].sort(),
    ]),
  );
}

if (import.meta.main) process.exitCode = await main() === 0 ? 0 : 1;
