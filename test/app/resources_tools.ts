// What the tests of resources have in common: a stream, a consumer of it, and a broker that remembers what it was told.

import { strictEqual } from "node:assert/strict";
import {
  planConsumer,
  type PlannedStep,
  planStream,
  type TopologyStep,
  type WantedConsumer,
  type WantedStream,
} from "../../src/app/resources.ts";
import type { Stamp } from "../../src/domain/stamp.ts";
import type {
  ConsumerConfig,
  ConsumerState,
  StreamAdmin,
  StreamConfig,
  StreamState,
} from "../../src/ports/stream.ts";

/** A stream of events. */
export const STREAM: StreamConfig = {
  name: "EVENTS",
  description: "Events",
  subjects: ["events.>"],
  retention: "limits",
  storage: "file",
  replicas: 1,
  discard: "new",
  maxMessagesPerSubject: 0,
  bucket: false,
  schedules: false,
  messageTtl: false,
  direct: true,
  maxAgeMs: 1_000,
  maxMessages: 0,
  maxBytes: 0,
  maxMessageBytes: 0,
  duplicateWindowMs: 500,
};
/** A consumer of it. */
export const CONSUMER: ConsumerConfig = {
  name: "shop=order=+",
  description: "shop on order.*",
  filter: "events.order.*",
  from: "new",
  ackWaitMs: 30_000,
  maxAckPending: 20_000,
  inactiveThresholdMs: 0,
};

/** The stamp of a version of one service. */
export const shop = (version: string): Stamp => ({ by: "shop", version });
/** The stream, as a service wants it: what it has asked for goes before the defaults. */
export const wantStream = (
  asked: Partial<StreamConfig> = {},
  stamp: Stamp = shop("1.0.0"),
): WantedStream => ({ config: { ...STREAM, ...asked }, asked, stamp });
/** The consumer, as a service wants it. */
export const wantConsumer = (
  given: Partial<ConsumerConfig> = {},
  stamp: Stamp = shop("1.0.0"),
): WantedConsumer => ({ stream: "EVENTS", config: { ...CONSUMER, ...given }, stamp });

/** A broker that has what it is told to have, and remembers what it was told. */
export class FakeAdmin implements StreamAdmin {
  config: StreamConfig | undefined;
  readonly known: Map<string, ConsumerConfig> = new Map();
  readonly calls: string[] = [];
  /** How much its consumers are in use. */
  use: Partial<ConsumerState> = {};

  constructor(config?: StreamConfig, ...consumers: ConsumerConfig[]) {
    this.config = config;
    for (const consumer of consumers) this.known.set(consumer.name, consumer);
  }

  stream(name: string): Promise<StreamState | undefined> {
    const config = this.config?.name === name ? this.config : undefined;
    const state = { createdAt: 0, messages: 0, bytes: 0, firstSequence: 1, lastSequence: 0 };
    return Promise.resolve(config && { config, ...state });
  }

  streamOf(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  createStream(config: StreamConfig): Promise<void> {
    this.calls.push(`create ${config.name}`);
    this.config = config;
    return Promise.resolve();
  }

  updateStream(config: StreamConfig): Promise<void> {
    this.calls.push(`update ${config.name}`);
    this.config = config;
    return Promise.resolve();
  }

  consumer(_: string, name: string): Promise<ConsumerState | undefined> {
    const config = this.known.get(name);
    return Promise.resolve(
      config && { config, pending: 0, ackPending: 0, waiting: 0, ackFloor: 0, ...this.use },
    );
  }

  putConsumer(stream: string, config: ConsumerConfig): Promise<void> {
    this.calls.push(`put ${config.name} of ${stream}`);
    this.known.set(config.name, config);
    return Promise.resolve();
  }

  deleteConsumer(): Promise<boolean> {
    return Promise.resolve(false);
  }

  consumers(): Promise<readonly string[]> {
    return Promise.resolve([...this.known.keys()]);
  }
}

/** What a broker has after somebody has asked for it. */
export async function after(...wanted: (WantedStream | WantedConsumer)[]): Promise<FakeAdmin> {
  const admin = new FakeAdmin();
  for (const each of wanted) {
    const planned = "asked" in each
      ? await planStream(admin, each)
      : await planConsumer(admin, each);
    await planned.apply();
  }
  admin.calls.length = 0;
  return admin;
}

/** What a step says and does, as far as a test is about it. */
export async function taken(
  admin: FakeAdmin,
  { step, apply }: PlannedStep,
): Promise<[TopologyStep["action"], TopologyStep["changes"], string[]]> {
  strictEqual(admin.calls.length, 0, "a plan changes nothing");
  await apply();
  return [step.action, step.changes, admin.calls];
}
