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

interface Documentation {
  readonly nodes: Readonly<
    Record<string, { readonly symbols?: readonly { readonly name: string }[] }>
  >;
}

async function readExports(entry: string): Promise<readonly string[]> {
  const { bin } = await findDeno();
  const cwd = fileURLToPath(new URL("../", import.meta.url));
  const { stdout } = await promisify(execFile)(bin, ["doc", "--json", entry], {
    cwd,
    maxBuffer: 1 << 28,
  });
  const [module] = Object.values((JSON.parse(stdout) as Documentation).nodes);
  return (module?.symbols ?? []).map(({ name }) => name);
}

async function main(): Promise<number> {
  const exported = new Map<string, readonly string[]>();
  const faults: string[] = [];
  for (const entry of new Set([...FULL, ...Object.keys(PROMISED)])) {
    try {
      exported.set(entry, await readExports(entry));
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
