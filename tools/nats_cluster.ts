// The servers of a cluster: whether they have found each other, by what their monitoring says.

import { setTimeout } from "node:timers/promises";
import { READY_MS } from "./nats_process.ts";

/** What is needed of a server. */
export interface ClusterServer {
  readonly name: string;
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

/** Resolves when the servers have all of their routes and, with JetStream, agree on a leader. */
export async function clusterReady(
  servers: readonly ClusterServer[],
  monitors: readonly number[],
  jetstream: boolean,
): Promise<void> {
  for (const until = Date.now() + READY_MS; Date.now() < until; await setTimeout(50)) {
    if (await haveRoutes(monitors) && (!jetstream || await haveLeader(servers, monitors))) return;
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

/** What a server says of itself; undefined while it is not up yet. */
async function monitored<State>(port: number, path: string): Promise<State | undefined> {
  try {
    const signal = AbortSignal.timeout(1_000);
    return await (await fetch(`http://127.0.0.1:${port}/${path}`, { signal })).json() as State;
  } catch {
    return undefined; // not up yet, which the loop waits for
  }
}
