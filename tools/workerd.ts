// Workers as Cloudflare runs them: its workerd, started on this machine by miniflare, which needs no network and no account.

import { readdir, readFile } from "node:fs/promises";
import process from "node:process";
import type { MiniflareOptions } from "miniflare";
import { bundle } from "./edge_bundle.ts";
import { watchProcess } from "./guard.ts";

/** The day whose behaviour of the runtime is asked for, as in a worker's configuration. */
export const COMPATIBILITY_DATE = "2026-07-30";

/** What a worker finds in its environment, and where it listens. */
export interface WorkerOptions {
  /** Its variables. */
  readonly vars: Readonly<Record<string, string | number>>;
  /** The classes of its Durable Objects, by the names of their bindings. */
  readonly objects?: Readonly<Record<string, string>>;
  /** Called with each line that it logs. @default it goes to standard output */
  readonly onLog?: (line: string) => void;
  /** The port on 127.0.0.1. @default a free one */
  readonly port?: number;
}

/** A worker that runs. */
export interface Worker extends AsyncDisposable {
  /** Where it is, such as `"http://127.0.0.1:8787/"`. */
  readonly url: string;
  /** Sends a request to a path. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Ends its process and starts another one, with what Durable Objects have stored, as a deployment does. */
  redeploy(): Promise<void>;
}

/** Runs the module at `path`, from the root of the repository, as a worker. */
export async function startWorker(path: string, options: WorkerOptions): Promise<Worker> {
  const { Miniflare } = await import("miniflare");
  const source = JSON.stringify(`./${path}`);
  const { first: [script = ""] } = await bundle(
    `export * from ${source}; export { default } from ${source};`,
  );
  const { onLog, port } = options;
  const objects = Object.entries(options.objects ?? {});
  const settings: MiniflareOptions = {
    modules: true,
    script,
    compatibilityDate: COMPATIBILITY_DATE,
    bindings: options.vars,
    durableObjects: Object.fromEntries(
      objects.map(([name, className]) => [name, { className, useSQLite: true }]),
    ),
    cf: false, // which would be fetched
    ...(port === undefined ? {} : { port }),
    ...(onLog === undefined
      ? {}
      : { handleStructuredLogs: ({ message }: { message: string }) => onLog(message) }),
  };
  const miniflare = withoutSignals(() => new Miniflare(settings));
  let url = String(await miniflare.ready);
  let watched = await watchRuntimes();
  const unwatch = () => watched.forEach((forget) => forget());
  return {
    get url() {
      return url;
    },
    async fetch(path, init) {
      return await fetch(new URL(path, url), init);
    },
    async redeploy() {
      await miniflare.setOptions(settings);
      unwatch();
      url = String(await miniflare.ready);
      watched = await watchRuntimes();
    },
    async [Symbol.asyncDispose]() {
      await miniflare.dispose();
      unwatch();
    },
  };
}

/** Miniflare would end the process at a signal, before whatever else the signal stops has stopped. */
function withoutSignals<T>(make: () => T): T {
  const signals = ["SIGINT", "SIGTERM"] as const;
  const before = signals.map((signal) => new Set(process.listeners(signal)));
  const made = make();
  for (const [index, signal] of signals.entries()) {
    for (const listener of process.listeners(signal)) {
      if (!before[index]!.has(listener)) process.off(signal, listener);
    }
  }
  return made;
}

/** A workerd does not end with the process that has started it. Where the system does not tell of it, it may stay. */
async function watchRuntimes(): Promise<(() => void)[]> {
  const tasks = await readdir("/proc/self/task").catch(() => []);
  const read = (path: string) => readFile(path, "utf8").catch(() => "");
  const lists = await Promise.all(tasks.map((task) => read(`/proc/self/task/${task}/children`)));
  const watched: (() => void)[] = [];
  for (const pid of lists.join(" ").split(" ").filter(Boolean).map(Number)) {
    const command = await read(`/proc/${pid}/cmdline`);
    if (command.includes("workerd")) watched.push(watchProcess(pid));
  }
  return watched;
}
