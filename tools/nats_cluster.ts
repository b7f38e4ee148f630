// The servers of a cluster: whether they have found each other, by what their monitoring says and by trying.

import { connect } from "node:net";
import { setTimeout } from "node:timers/promises";
import { READY_MS } from "./nats_process.ts";

/** What is needed of a server. */
export interface ClusterServer {
  readonly name: string;
  readonly port: number;
  log(): Promise<string>;
}

/** What `/routez` says. */
interface Routes {
  readonly routes?: readonly { readonly account?: string }[] | null;
}

/** What `/varz` says. */
interface Settings {
  readonly cluster?: { readonly pool_size?: number };
}

interface JetStreamState {
  readonly meta_cluster?: {
    readonly leader?: string;
    readonly replicas?: readonly { readonly current?: boolean; readonly offline?: boolean }[];
  };
}

/** How long a server may take to answer, in milliseconds. */
const ASK_MS = 5_000;
/** As many servers keep a stream at most. */
const MAX_REPLICAS = 5;

/**
 * Resolves when the servers have all of their routes and, with JetStream, agree on a leader that lets a stream be made which
 * all of them keep. Where nobody may connect without a password or TLS, that is not tried.
 */
export async function clusterReady(
  servers: readonly ClusterServer[],
  monitors: readonly number[],
  jetstream: boolean,
): Promise<void> {
  for (const until = Date.now() + READY_MS; Date.now() < until; await setTimeout(50)) {
    if (!await haveRoutes(monitors)) continue;
    if (!jetstream || (await haveLeader(servers, monitors) && await canStore(servers))) return;
  }
  const logs = await Promise.all(servers.map((server) => server.log()));
  throw new Error(`The cluster was not ready within ${READY_MS} ms\n${logs.join("\n")}`);
}

/**
 * Whether every server has all of its routes to each of the others. From 2.10 on there is a pool of them, and an account's
 * subscriptions go over one.
 */
async function haveRoutes(monitors: readonly number[]): Promise<boolean> {
  const complete = await Promise.all(monitors.map(async (port) => {
    const cluster = (await monitored<Settings>(port, "varz"))?.cluster;
    const routes = (await monitored<Routes>(port, "routez"))?.routes ?? [];
    const shared = routes.filter(({ account }) => account === undefined).length;
    return cluster !== undefined && shared >= (cluster.pool_size ?? 1) * (monitors.length - 1);
  }));
  return complete.every(Boolean);
}

async function haveLeader(
  servers: readonly ClusterServer[],
  monitors: readonly number[],
): Promise<boolean> {
  const states = await Promise.all(
    monitors.map(async (port) => (await monitored<JetStreamState>(port, "jsz"))?.meta_cluster),
  );
  const leader = states[0]?.leader;
  const replicas = states[servers.findIndex(({ name }) => name === leader)]?.replicas ?? [];
  return Boolean(leader) && states.every((state) => state?.leader === leader) &&
    replicas.length === servers.length - 1 &&
    replicas.every((replica) => replica.current && !replica.offline);
}

/**
 * Whether a stream can be made that all of them keep. The leader of JetStream takes a server for offline before it has heard
 * from it how much room it has, though they agree on the leader by then.
 */
async function canStore(servers: readonly ClusterServer[]): Promise<boolean> {
  const stream = {
    name: "CLUSTER_READY",
    subjects: ["cluster.ready"],
    retention: "limits",
    storage: "memory",
    num_replicas: Math.min(servers.length, MAX_REPLICAS),
    discard: "old",
  };
  const made = await answer(servers[0]!.port, "STREAM.CREATE", stream.name, stream);
  if (made === "refused") return true;
  return made && await answer(servers[0]!.port, "STREAM.DELETE", stream.name, {}) === true;
}

/**
 * Whether JetStream does what it is asked for; "refused" where one has to say first who one is. By the protocol alone: a
 * library would have its transport in this whole process.
 */
function answer(
  port: number,
  verb: string,
  stream: string,
  request: object,
): Promise<boolean | "refused"> {
  const body = JSON.stringify(request);
  const inbox = `_INBOX.ready.${Math.random().toString(36).slice(2)}`;
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    const done = (result: boolean | "refused") => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const timer = globalThis.setTimeout(() => done(false), ASK_MS);
    let text = "", isGreeted = false;
    socket.on("data", (data) => {
      text += data;
      const info = /^INFO (.*)\r\n/.exec(text)?.[1];
      if (info !== undefined && !isGreeted) {
        isGreeted = true;
        const { auth_required, tls_required } = JSON.parse(info);
        if (auth_required || tls_required) return done("refused");
        socket.write(
          `CONNECT {"verbose":false,"pedantic":false}\r\nSUB ${inbox} 1\r\n` +
            `PUB $JS.API.${verb}.${stream} ${inbox} ${body.length}\r\n${body}\r\n`,
        );
      }
      const answered = /\r\nMSG \S+ 1 \d+\r\n(.*)\r\n/.exec(text)?.[1];
      if (answered !== undefined) done(JSON.parse(answered).error === undefined);
    });
    socket.once("error", () => done(false));
    socket.once("close", () => done(false));
  });
}

/** What a server says of itself; undefined while it is not up yet. */
async function monitored<State>(port: number, path: string): Promise<State | undefined> {
  try {
    const signal = AbortSignal.timeout(1_000);
    return await (await fetch(`http://127.0.0.1:${port}/${path}`, { signal })).json() as State;
  } catch {
    return undefined; // not up yet, which the loop waits for
  }
}
