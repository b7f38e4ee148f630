// The streams of the run of events: emptied between measurements, and asked what is acknowledged, by neither of the two.

import { DiscardPolicy, jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { BARE_SUBJECT, STREAMS } from "./event_contract.ts";

/** Looks after the streams over a connection of its own. */
export interface StreamKeeper {
  /** Removes all events of a stream. @throws {Error} when it did not have so many. */
  empty(stream: string, events: number): Promise<void>;
  /** A name for a durable. */
  newDurable(kind: string): string;
  /** Resolves when the server has the acknowledgements of all events of the stream. */
  whenAcknowledged(stream: string, durable: string): Promise<void>;
  /** Removes a durable. */
  forget(stream: string, durable: string): Promise<void>;
  /** Ends the connection. */
  close(): Promise<void>;
}

const NS_PER_DAY = 86_400 * 1e9;
const ACKNOWLEDGED_WITHIN_MS = 30_000;
let durables = 0;

/** Makes the stream of the bare events, with the limits that the SDK gives its own, and looks after both. */
export async function openStreams(servers: string): Promise<StreamKeeper> {
  const connection = await connect({ servers });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({
    name: STREAMS.bare,
    subjects: [BARE_SUBJECT],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    max_age: 7 * NS_PER_DAY,
  });
  return {
    empty: async (stream, events) => {
      const { purged } = await manager.streams.purge(stream);
      if (purged !== events) throw new Error(`${stream} had ${purged} events, and not ${events}`);
    },
    newDurable: (kind) => `${kind}-${++durables}`,
    whenAcknowledged: async (stream, durable) => {
      const { state: { last_seq: last } } = await manager.streams.info(stream);
      const until = performance.now() + ACKNOWLEDGED_WITHIN_MS;
      for (;;) {
        const { ack_floor: floor } = await manager.consumers.info(stream, durable);
        if (floor.stream_seq >= last) return;
        if (performance.now() > until) {
          throw new Error(`${durable} is acknowledged up to ${floor.stream_seq} of ${last}`);
        }
      }
    },
    forget: async (stream, durable) => {
      await manager.consumers.delete(stream, durable);
    },
    close: () => connection.close(),
  };
}
