// Starts nats-servers for tests and benchmarks, one or a cluster; run as a program, a development server.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { findNatsServer, type Suite } from "./nats_binary.ts";
import { watchFolder } from "./guard.ts";
import { clusterReady } from "./nats_cluster.ts";
import { end, freeze, ready, type Running, signal, spawnServer } from "./nats_process.ts";
import { onFreePorts, PortTakenError } from "./ports.ts";

export { findNatsServer, type NatsBinary, type Suite } from "./nats_binary.ts";
export { freePorts } from "./ports.ts";

/** How a server is started. */
export interface NatsServerOptions {
  /** The port. @default a free one */
  readonly port?: number;
  /** Whether JetStream is on. @default true */
  readonly jetstream?: boolean;
  /** More lines of nats-server's configuration: authorization, tls, websocket, max_payload. */
  readonly config?: string;
  /** The Debian suite whose version is wanted. @default what `findNatsServer()` finds */
  readonly suite?: Suite;
  /** Where JetStream stores; it is kept. @default a new folder, which `stop()` removes */
  readonly storeDir?: string;
}

/** A server that was started. */
export interface NatsServer extends AsyncDisposable {
  /** Such as `"nats://127.0.0.1:23456"`. */
  readonly url: string;
  /** The port on 127.0.0.1. */
  readonly port: number;
  /** The process now. */
  readonly pid: number;
  /** Its version, such as `"2.10.27"`. */
  readonly version: string;
  /** Its name in the cluster, and in what the server says of leaders and replicas. */
  readonly name: string;
  /** Where JetStream stores. */
  readonly storeDir: string;
  /** What it has logged so far. */
  log(): Promise<string>;
  /** Ends it in order, by force after 5 s, and removes the store that was made for it. */
  stop(): Promise<void>;
  /** Ends it as a crash does (SIGKILL), and keeps the store. */
  kill(): Promise<void>;
  /** Starts it again on the same port and store, also after `kill()`. */
  restart(): Promise<void>;
  /** Freezes the process: connections stay open and nothing answers from when this resolves. */
  suspend(): Promise<void>;
  /** Lets a frozen process go on. */
  resume(): void;
}

/** Servers that form one cluster. */
export interface NatsCluster extends AsyncDisposable {
  /** The servers. */
  readonly servers: readonly NatsServer[];
  /** Their URLs. */
  readonly urls: readonly string[];
  /** Resolves when JetStream has a leader and every server is up to date; for use after `kill()` and `restart()`. */
  ready(): Promise<void>;
  /** Ends all of them. */
  stop(): Promise<void>;
}

let names = 0;

/**
 * Starts a server on 127.0.0.1 and resolves when it takes connections. It ends with this process at the latest.
 *
 * @throws {Error} when it does not start; the message has the server's log.
 */
export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const name = uniqueName();
  return await onFreePorts(options.port, 1, ([port = 0]) => start({ ...options, port }, name));
}

/**
 * Starts `size` servers as one cluster and resolves when they have routes to each other and JetStream, if on, is ready on
 * all of them.
 *
 * @throws {Error} when one does not start, has no routes, or they do not agree on a leader.
 */
export async function startNatsCluster(
  size = 3,
  options: Omit<NatsServerOptions, "port" | "storeDir"> = {},
): Promise<NatsCluster> {
  const cluster = uniqueName();
  const { servers, monitors } = await onFreePorts(undefined, size * 3, async (ports) => {
    const routes = ports.slice(size, size * 2);
    const monitors = ports.slice(size * 2);
    const started = await Promise.allSettled(routes.map((route, index) =>
      start({
        ...options,
        port: ports[index] ?? 0,
        config: [
          options.config ?? "",
          `http: "127.0.0.1:${monitors[index]}"`,
          `cluster {`,
          `  name: "${cluster}"`,
          `  listen: "127.0.0.1:${route}"`,
          `  routes: [${routes.map((port) => `"nats://127.0.0.1:${port}"`).join(", ")}]`,
          `}`,
        ].join("\n"),
      }, `${cluster}-${index + 1}`)
    ));
    const servers = started.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
    const failed = started.find((one) => one.status === "rejected");
    if (failed === undefined) return { servers, monitors };
    await Promise.all(servers.map((server) => server.stop()));
    throw failed.reason;
  });
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  const ready = () => clusterReady(servers, monitors, options.jetstream !== false);
  await ready().catch(async (error) => {
    await stop();
    throw error;
  });
  const urls = servers.map((server) => server.url);
  return { servers, urls, ready, stop, [Symbol.asyncDispose]: stop };
}

async function start(
  options: NatsServerOptions & { readonly port: number },
  name: string,
): Promise<NatsServer> {
  const { bin, version } = await findNatsServer(options.suite);
  const folder = await mkdtemp(join(tmpdir(), `${name}-`));
  const storeDir = options.storeDir ?? join(folder, "store");
  const files = { conf: join(folder, "server.conf"), log: join(folder, "server.log") };
  await writeFile(files.conf, configuration(options, name, storeDir));
  const logged = async () => await readFile(files.log, "utf8").catch(() => ""); // none yet
  watchFolder(folder);
  const remove = () => rm(folder, { recursive: true, force: true, maxRetries: 5 });

  const launch = async (): Promise<Running> => {
    const before = (await logged()).length;
    const running = spawnServer(bin, files);
    const log = async () => (await logged()).slice(before);
    try {
      await ready(running, options.port, name, log);
      return running;
    } catch (error) {
      await end(running, "SIGKILL");
      const text = await log();
      const message = `nats-server ${version} did not start on port ${options.port}: ` +
        `${(error as Error).message}\n${text}`;
      throw /address already in use/i.test(text)
        ? new PortTakenError(message)
        : new Error(message, { cause: error });
    }
  };

  let running = await launch().catch(async (error) => {
    await remove();
    throw error;
  });
  let removed = false;
  const stop = async () => {
    removed = true;
    await end(running, "SIGTERM");
    await remove();
  };
  return {
    url: `nats://127.0.0.1:${options.port}`,
    port: options.port,
    get pid() {
      return running.pid;
    },
    version,
    name,
    storeDir,
    log: logged,
    stop,
    kill: () => end(running, "SIGKILL"),
    async restart() {
      if (removed) throw new Error(`${name} was stopped for good, start another server`);
      await end(running, "SIGTERM");
      running = await launch();
    },
    suspend: () => freeze(running),
    resume: () => signal(running, "SIGCONT"),
    [Symbol.asyncDispose]: stop,
  };
}

function configuration(
  options: NatsServerOptions & { readonly port: number },
  name: string,
  storeDir: string,
): string {
  return [
    `listen: "127.0.0.1:${options.port}"`,
    `server_name: "${name}"`,
    ...(options.jetstream === false
      ? []
      : [`jetstream { store_dir: ${JSON.stringify(storeDir)} }`]),
    options.config ?? "",
    "",
  ].join("\n");
}

function uniqueName(): string {
  return `nats-${process.pid}-${++names}-${Math.random().toString(36).slice(2, 8)}`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: "string" },
      cluster: { type: "boolean", default: false },
      store: { type: "string" },
    },
  });
  const port = Number(values.port ?? 4222);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new RangeError(`--port takes a number from 1 to 65535, not "${values.port}"`);
  }
  const running = values.cluster ? await startNatsCluster() : await startNatsServer({
    port,
    ...(values.store === undefined ? {} : { storeDir: values.store }),
  });
  const servers = "servers" in running ? running.servers : [running];
  const urls = servers.map((server) => server.url).join(",");
  console.log(`nats-server ${servers[0]?.version} with JetStream on ${urls}; Ctrl-C stops it

In another terminal:
  deno task demo --servers ${urls}
  AEGIS_SERVERS=${urls} deno run -A your_service.ts`);
  const alive = setInterval(() => {}, 1 << 30);
  await new Promise<void>((resolve) => {
    for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => resolve());
  });
  clearInterval(alive);
  await running.stop();
}

if (import.meta.main) {
  await main().catch((error) => {
    console.error(`${error}`);
    process.exitCode = 1;
  });
}
