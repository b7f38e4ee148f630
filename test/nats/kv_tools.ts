// What tests of buckets on a server share: what a watch tells, and the bucket as the tools of NATS see it.

import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import { connect as dial, type NatsConnection } from "@nats-io/transport-node";
import type { Kv, KvChange, KvWatch, KvWatchOptions } from "../../mod.ts";

/** What a watch tells, and what is there by all that it has told. */
export interface Told<T = unknown> {
  readonly watch: KvWatch<T>;
  readonly changes: KvChange<T>[];
  /** The values by their keys. */
  readonly view: Map<string, T>;
  /** Every change as `"put a"`. */
  words(): string[];
}

/** Watches, and keeps what is told. */
export function tell<T>(kv: Kv<T>, options: KvWatchOptions = {}): Told<T> {
  const changes: KvChange<T>[] = [];
  const view = new Map<string, T>();
  const watch = kv.watch(options);
  void (async () => {
    for await (const change of watch) {
      changes.push(change);
      if (change.entry === undefined) view.delete(change.key);
      else view.set(change.key, change.entry.value);
    }
  })();
  return {
    watch,
    changes,
    view,
    words: () => changes.map(({ operation, key }) => `${operation} ${key}`),
  };
}

/** The tools of NATS on a connection of their own. */
export interface Tools extends AsyncDisposable {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly kvm: Kvm;
  /** A bucket that is there, or is made as @nats-io/kv makes it. */
  bucket(name: string, options?: Parameters<Kvm["create"]>[1]): Promise<KV>;
}

/** Connects the tools of NATS. */
export async function toolsOf(servers: string): Promise<Tools> {
  const connection = await dial({ servers, maxReconnectAttempts: -1 });
  const kvm = new Kvm(connection);
  return {
    connection,
    manager: await jetstreamManager(connection),
    kvm,
    bucket: (name, options) => kvm.create(name, options),
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

/** Each key with its last revision that a watch has told, which must never be lower than one told before. */
export function revisionsGoBack(changes: readonly KvChange[]): readonly string[] {
  const last = new Map<string, number>();
  const back: string[] = [];
  for (const { key, revision, operation } of changes) {
    if (revision < (last.get(key) ?? 0)) back.push(`${operation} ${key} ${revision}`);
    last.set(key, revision);
  }
  return back;
}
