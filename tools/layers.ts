// The import rules as a pure function: modules in, violations out. `tools/check_layers.ts` feeds it.

import { codeOnly, globalsIn } from "./source_text.ts";

/** One import or re-export of a module. */
export interface Import {
  /** A path from the repository's root, or `npm:name`, `node:name`, `jsr:name`. */
  readonly to: string;
  /** The line of the import, from 1. */
  readonly line: number;
  /** Whether it erases to nothing. */
  readonly typeOnly: boolean;
}

/** One file. */
export interface Module {
  /** The path from the repository's root, with `/`. */
  readonly path: string;
  /** Its source. */
  readonly text: string;
  /** Its imports. */
  readonly imports: readonly Import[];
}

/** A rule that is broken, and where. */
export interface Violation {
  /** The file. */
  readonly path: string;
  /** The line, from 1. */
  readonly line: number;
  /** Which rule, in a sentence. */
  readonly message: string;
}

/** The package's entries. Nothing imports them. */
export const ENTRIES: readonly string[] = [
  "mod.ts",
  "edge.ts",
  "deno.ts",
  "testing.ts",
  "msgpack.ts",
];

/** What every capability of `src/app` may import, with the reason why it belongs to none. */
const SHARED: Readonly<Record<string, string>> = {
  "bus_streams.ts": "the streams of a bus, of events as of commands",
  "consumer_checks.ts": "what is wrong with a handler's consumer, of events as of commands",
  "context.ts": "what a handler is given; every capability has handlers",
  "dead_letter_input.ts": "what is said of them, checked",
  "dead_letter_types.ts": "what they are to clients",
  "dead_letter_writer.ts": "what could not be handled, of events as of commands",
  "dead_letters.ts": "the same, as clients see it",
  "deadlines.ts": "one timer for all that expires, in calls as in commands",
  "handler_context.ts": "what a handler is shown, of a call as of an event",
  "leading.ts": "whether this instance leads, as handlers of every kind ask",
  "limiter.ts": "slots and a bounded wait, the same for every kind of handler",
  "measures.ts": "the names and labels of metrics, which must agree",
  "middleware.ts": "the chain that wraps any handler",
  "parking.ts": "the bounded wait for the bus, of calls as of events",
  "patience.ts": "asking a server again, whatever it is asked for",
  "pause.ts": "waiting for a while, whoever waits",
  "resources.ts": "streams and consumers made to order, of events as of commands",
  "runtime.ts": "the ports of one bus, handed to whoever needs them",
  "served.ts": "what an instance serves, as its record and the tools of NATS tell",
  "source.ts": "deliveries of one consumer, of events as of commands",
  "spans.ts": "the names and attributes of spans, which must agree",
  "storing.ts": "storing over outages, whatever is stored",
  "watched_signal.ts": "signals that know of a standstill, whatever handler asks them",
  "work.ts": "what stop() waits for, whatever a service serves",
};

/** The files of each capability; they may import one another. */
const CAPABILITIES: Readonly<Record<string, readonly string[]>> = {
  rpc: [
    "aim.ts",
    "answer.ts",
    "by_id.ts",
    "call_options.ts",
    "caller.ts",
    "calls.ts",
    "circuit_options.ts",
    "circuits.ts",
    "elections.ts",
    "endings.ts",
    "inquiry.ts",
    "intake.ts",
    "invocation.ts",
    "invoke.ts",
    "job.ts",
    "leader_wait.ts",
    "listening.ts",
    "method.ts",
    "outgoing.ts",
    "replies.ts",
    "responder.ts",
    "responses.ts",
    "routes.ts",
    "rpc.ts",
    "run_handler.ts",
    "standing.ts",
    "start_error.ts",
  ],
  event: [
    "burst.ts",
    "event.ts",
    "event_failures.ts",
    "event_handling.ts",
    "event_relief.ts",
    "event_slots.ts",
    "event_types.ts",
    "hand_backs.ts",
    "hand_back_notes.ts",
    "keep_working.ts",
    "on.ts",
    "publish_endings.ts",
    "publish_input.ts",
    "publish_job.ts",
    "publish_many.ts",
    "publisher.ts",
    "run_event.ts",
    "subscriber.ts",
    "subscribers.ts",
    "subscription_plan.ts",
    "suspects.ts",
  ],
  command: [
    "command.ts",
    "command_cancels.ts",
    "command_claim.ts",
    "command_endings.ts",
    "command_failures.ts",
    "command_handle.ts",
    "command_hearing.ts",
    "command_input.ts",
    "command_arrival.ts",
    "command_lease.ts",
    "command_later.ts",
    "command_ledger.ts",
    "command_left.ts",
    "command_look.ts",
    "command_open.ts",
    "command_plan.ts",
    "command_progress.ts",
    "command_records.ts",
    "command_reopen.ts",
    "command_run.ts",
    "command_run_parts.ts",
    "command_runner.ts",
    "command_serving.ts",
    "command_sender.ts",
    "command_sweeper.ts",
    "command_tracked.ts",
    "command_tracker.ts",
    "command_types.ts",
    "command_unread.ts",
    "command_withdrawn.ts",
    "command_worker.ts",
    "run_command.ts",
  ],
  registry: ["registry.ts", "registry_notices.ts", "registry_options.ts", "registry_record.ts"],
  srv: ["srv.ts"],
  kv: [
    "kv.ts",
    "kv_bucket.ts",
    "kv_buckets.ts",
    "kv_ends.ts",
    "kv_event.ts",
    "kv_feed.ts",
    "kv_feeds.ts",
    "kv_input.ts",
    "kv_known.ts",
    "kv_backlog.ts",
    "kv_lately.ts",
    "kv_later.ts",
    "kv_list.ts",
    "kv_looks.ts",
    "kv_many.ts",
    "kv_parts.ts",
    "kv_plan.ts",
    "kv_put.ts",
    "kv_read.ts",
    "kv_remove.ts",
    "kv_shared.ts",
    "kv_time.ts",
    "kv_values.ts",
    "kv_watch.ts",
    "kv_write.ts",
  ],
  discovery: [
    "discovery_directory.ts",
    "discovery_feed.ts",
    "discovery_options.ts",
    "discovery_service.ts",
    "discovery_view.ts",
    "discovery_watch.ts",
  ],
  election: ["election.ts", "election_options.ts", "election_store.ts"],
};

/** The files that put capabilities together. */
const COMPOSITION: readonly string[] = [
  "built_in.ts",
  "bus.ts",
  "client.ts",
  "discovery.ts",
  "election_bucket.ts",
  "election_serving.ts",
  "election_term.ts",
  "presence.ts",
  "service.ts",
  "service_options.ts",
  "serving.ts",
  "stopping.ts",
  "topology.ts",
];

/** Globals outside of src/adapters, with the reason why no port can stand between. */
const GLOBALS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "src/domain/command.ts": { Date: "it reads the time that a message gives, and asks for none" },
  "src/domain/deliver_from.ts": { Date: "it reads times that programs give, and asks for none" },
  "src/domain/instance.ts": { Date: "it reads the times that a record gives, and asks for none" },
  "src/testing/manual_clock.ts": { Date: "it is a clock, and writes its own time as ISO 8601" },
};

const DOMAIN_PACKAGES = ["valibot", "@standard-schema/spec"];
const MAX_LINES = 300;

/** Every broken rule, in the order of the files and lines. */
export function checkLayers(modules: readonly Module[]): Violation[] {
  const violations: Violation[] = [];
  for (const module of modules) {
    const source = module.path.startsWith("src/");
    for (const found of module.imports) {
      const message = faultOfImport(module.path, found);
      if (message) violations.push({ path: module.path, line: found.line, message });
    }
    if (source) violations.push(...faultsOfText(module));
  }
  violations.push(...cycles(modules));
  return violations.sort((a, b) => a.path < b.path ? -1 : a.path > b.path ? 1 : a.line - b.line);
}

/**
 * The modules that run when `entry` is imported, each with the import that led to it; packages and built-ins among them.
 */
export function reachedFrom(
  entry: string,
  modules: readonly Module[],
): Map<string, Import & { readonly from: string }> {
  const byPath = new Map(modules.map((module) => [module.path, module]));
  const reached = new Map<string, Import & { readonly from: string }>();
  const queue = [entry];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    for (const found of byPath.get(path)?.imports ?? []) {
      if (found.typeOnly || reached.has(found.to)) continue;
      reached.set(found.to, { ...found, from: path });
      queue.push(found.to);
    }
  }
  return reached;
}

/** What `edge.ts` must not reach: built-ins of Node, and TCP transports. */
export function checkEdge(modules: readonly Module[]): Violation[] {
  const violations: Violation[] = [];
  for (const [path, { from, line }] of reachedFrom("edge.ts", modules)) {
    if (path.startsWith("node:") || /^(npm|jsr):@nats-io\/transport-/.test(path)) {
      violations.push({ path: from, line, message: `edge.ts must not reach ${path}` });
    }
    if (path.startsWith("missing:npm:")) {
      violations.push({ path: from, line, message: `cannot follow ${path.slice(8)} for edge.ts` });
    }
  }
  return violations;
}

/** How many lines the middle one of the files under src has. */
export function medianLines(modules: readonly Module[]): number {
  const lines = modules.filter(({ path }) => path.startsWith("src/"))
    .map(({ text }) => countLines(text)).sort((a, b) => a - b);
  return lines[lines.length >> 1] ?? 0;
}

function countLines(text: string): number {
  return text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
}

/** `domain`, `ports`, `app`, `adapters/<name>`, `composition` for files directly in src, `entry`; else the specifier. */
function layerOf(path: string): string {
  if (ENTRIES.includes(path)) return "entry";
  const [root, layer, name, ...rest] = path.split("/");
  if (root !== "src" || layer === undefined) return "outside";
  if (name === undefined) return "composition";
  return layer === "adapters" ? `adapters/${rest.length ? name : ""}` : layer;
}

function isPackage(to: string): boolean {
  return /^(npm|jsr|node):/.test(to);
}

function faultOfImport(from: string, { to, typeOnly }: Import): string | undefined {
  const layer = layerOf(from);
  if (isPackage(to)) return faultOfPackage(layer, to, typeOnly);
  const target = layerOf(to);
  if (target === "entry") return `nobody may import the entry ${to}`;
  if (layer === "entry" || layer === "composition") {
    return target === "outside"
      ? `the package may not import ${to}, which is not in src`
      : undefined;
  }
  if (target === "ports" && !typeOnly) return `${to} is a port: import it with \`import type\``;
  if (layer === "ports" && !typeOnly) return `a port may only \`import type\`, this is ${to}`;
  const allowed = layer === "domain"
    ? ["domain"]
    : layer === "ports"
    ? ["domain", "ports"]
    : layer === "app"
    ? ["domain", "ports", "app"]
    : layer === "testing" // what ./testing offers: contract suites, doubles of ports
    ? ["domain", "ports", "testing"]
    : layer.startsWith("adapters/")
    ? ["domain", "ports", layer]
    : [];
  if (!allowed.includes(target)) return `${layer} may not import ${to}`;
  return layer === "app" && target === "app" ? faultOfApp(from, to, typeOnly) : undefined;
}

function faultOfPackage(layer: string, to: string, typeOnly: boolean): string | undefined {
  const name = to.replace(/^(npm|jsr):/, "");
  const types = typeOnly && layer === "composition"; // connect() takes a NatsConnection
  if (/^@nats-io\//.test(name) && !["adapters/nats", "entry"].includes(layer) && !types) {
    return `only src/adapters/nats and the entries may import ${to}`;
  }
  if (layer === "domain" && !DOMAIN_PACKAGES.includes(name)) return `domain may not import ${to}`;
  if (layer === "ports" && !(typeOnly && DOMAIN_PACKAGES.includes(name))) {
    return `ports may not import ${to}`;
  }
  if (layer === "app") return `app may not import ${to}, a port has to stand between`;
  return undefined;
}

function faultOfApp(from: string, to: string, typeOnly: boolean): string | undefined {
  const importer = from.slice("src/app/".length);
  const imported = to.slice("src/app/".length);
  const capability = capabilityOf(importer);
  if (COMPOSITION.includes(importer)) return undefined;
  if (COMPOSITION.includes(imported)) {
    return `${importer} may not import ${imported}, which composes`;
  }
  if (imported in SHARED) return undefined;
  if (importer in SHARED) {
    return typeOnly ? undefined : `${importer} is shared and may import types alone of ${imported}`;
  }
  return capability !== undefined && capability === capabilityOf(imported)
    ? undefined
    : `${importer} (${capability}) may not import ${imported} (${
      capabilityOf(imported)
    }), a sibling capability`;
}

function capabilityOf(file: string): string | undefined {
  return Object.entries(CAPABILITIES).find(([, files]) => files.includes(file))?.[0];
}

function faultsOfText({ path, text }: Module): Violation[] {
  const violations: Violation[] = [];
  const layer = layerOf(path);
  const add = (line: number, message: string) => violations.push({ path, line, message });
  const lines = countLines(text);
  if (lines > MAX_LINES) add(MAX_LINES + 1, `${lines} lines, allowed are ${MAX_LINES}`);
  if (!layer.startsWith("adapters/")) {
    for (const { line, name } of globalsIn(text)) {
      if (GLOBALS[path]?.[name]) continue;
      add(line, `${name} is used outside src/adapters; a port has to stand between`);
    }
  }
  codeOnly(text).split("\n").forEach((line, index) => {
    const [newer] = /\bPromise\.?[wW]ithResolvers\b|\bArray\.fromAsync\b/.exec(line) ?? [];
    if (newer) {
      add(index + 1, `Node 20 has no ${newer}; for promises src/domain/deferred.ts has one`);
    }
  });
  if (layer === "ports") {
    codeOnly(text).split("\n").forEach((line, index) => {
      const value = /^export (default|const|let|var|function|async|abstract|class|enum)\b/.exec(
        line,
      );
      if (value) {
        add(index + 1, `a port holds interfaces and types alone, this is \`${line.trim()}\``);
      }
    });
  }
  if (layer === "app") {
    const file = path.slice("src/app/".length);
    if (!(file in SHARED) && !COMPOSITION.includes(file) && capabilityOf(file) === undefined) {
      add(1, `${file} is in no list of tools/layers.ts: say which capability it belongs to`);
    }
  }
  return violations;
}

/** Cycles of imports that remain at run time, each reported once. */
function cycles(modules: readonly Module[]): Violation[] {
  const byPath = new Map(modules.map((module) => [module.path, module]));
  const violations: Violation[] = [];
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string) => {
    if (done.has(path)) return;
    trail.push(path);
    for (const { to, line, typeOnly } of byPath.get(path)?.imports ?? []) {
      if (typeOnly) continue;
      const start = trail.indexOf(to);
      if (start < 0) visit(to);
      else {
        const message = `import cycle: ${[...trail.slice(start), to].join(" → ")}`;
        violations.push({ path, line, message });
      }
    }
    trail.pop();
    done.add(path);
  };
  for (const { path } of modules) visit(path);
  return violations;
}
