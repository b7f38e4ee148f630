// Every entry exports what is promised, and the three full entries export the same.

import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { findDeno } from "./runtime.ts";

/** The entries that share `src/api.ts`. */
const FULL = ["mod.ts", "edge.ts", "deno.ts"];

/** The names that programs are written against, values and types, by entry; a name stays once it is here. */
const PROMISED: Readonly<Record<string, readonly string[]>> = {
  "mod.ts": [
    // connecting
    ...[
      "connect",
      "Bus",
      "BusStatus",
      "ConnectOptions",
      "Transport",
      "TransportKind",
      "ServerInfo",
    ],
    // RPC
    ...["rpc", "createService", "createClient", "run"],
    ...["Service", "ServiceOptions", "ServiceHooks", "ServiceStatus", "Client", "ClientOptions"],
    ...["Context", "CallOptions", "RetryPolicy", "RpcHandler", "RpcOptions", "Schema"],
    ...["ClientMiddleware", "ServerMiddleware"],
    // errors
    ...["AegisError", "RpcError", "TimeoutError", "UnavailableError", "ValidationError"],
    ...["NotActiveError", "SerializationError", "ClosedError"],
    // ports
    ...["Clock", "Codec", "Logger", "LoggerLike", "Metrics", "MetricsSnapshot", "Tracer", "Span"],
    ...["createMetrics", "createLogger"],
  ],
  "msgpack.ts": ["msgpack"],
  "testing.ts": ["ManualClock"],
};

/** What is wrong with the names that each entry exports, in sentences. */
export function checkExports(
  exported: ReadonlyMap<string, readonly string[]>,
  promised: Readonly<Record<string, readonly string[]>> = PROMISED,
): string[] {
  const faults: string[] = [];
  for (const [entry, names] of Object.entries(promised)) {
    for (const name of names) {
      if (!exported.get(entry)?.includes(name)) faults.push(`${entry} does not export ${name}`);
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
  readonly tags?: readonly { readonly kind: string }[];
}

/** An entry, as `deno doc --json` describes it. */
export interface DocumentedEntry {
  readonly module_doc?: Documented & { readonly doc?: string };
  readonly symbols?: readonly {
    readonly name: string;
    readonly declarations: readonly { readonly kind: string; readonly jsDoc?: Documented }[];
  }[];
}

interface Documentation {
  readonly nodes: Readonly<Record<string, DocumentedEntry>>;
}

const hasExample = (of: Documented | undefined): boolean =>
  of?.tags?.some(({ kind }) => kind === "example") ?? false;

/** What lacks an example: entries, functions and classes, whose overloads share one. */
export function checkExamples(entry: string, documented: DocumentedEntry): string[] {
  const { module_doc, symbols = [] } = documented;
  const faults: string[] = [];
  if (!module_doc?.doc || !hasExample(module_doc)) {
    faults.push(`${entry} has no documentation of the module with an example`);
  }
  for (const { name, declarations } of symbols) {
    const used = declarations.filter(({ kind }) => kind === "function" || kind === "class");
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
  for (const entry of new Set([...FULL, ...Object.keys(PROMISED)])) {
    try {
      const documented = await readEntry(entry);
      exported.set(entry, (documented.symbols ?? []).map(({ name }) => name));
      faults.push(...checkExamples(entry, documented));
    } catch (error) {
      faults.push(
        `${entry} cannot be read: ${(error as { stderr?: string }).stderr?.trim() || error}`,
      );
    }
  }
  faults.push(...checkExports(exported));
  for (const fault of faults) console.error(fault);
  console.log(
    faults.length === 0
      ? `exports: ${exported.get("mod.ts")?.length} names, the same from ${FULL.join(", ")}`
      : `exports: ${faults.length} faults`,
  );
  return faults.length;
}

if (import.meta.main) process.exitCode = await main() === 0 ? 0 : 1;
