// The history of the records of commands: a bucket that keeps what its records were, and who reads it all at the end.

import { AckPolicy, jetstream, jetstreamManager, StorageType } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { type CommandRecord, readRecord } from "../../src/domain/command_record.ts";
import { RECORDS_STREAM, recordSubject } from "../../src/domain/command_subject.ts";

/** A record as it once was. */
export interface Written {
  readonly record: CommandRecord;
  /** When it was stored, in milliseconds since the epoch. */
  readonly storedAt: number;
}

/** How many records of one command are kept: more than it can have. */
const HISTORY = 10_000;

/** Makes the bucket of the records beforehand, with its whole history, which the SDK leaves as it is. */
export async function keepHistory(url: string): Promise<void> {
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({
    name: RECORDS_STREAM,
    subjects: [recordSubject(">")],
    storage: StorageType.File,
    max_msgs_per_subject: HISTORY,
    allow_rollup_hdrs: true,
    deny_delete: true,
    allow_direct: true,
  });
  await connection.close();
}

/** All records of each command, by its token, from the first one. */
export async function readHistory(url: string): Promise<Map<string, Written[]>> {
  const connection = await connect({ servers: url });
  const history = new Map<string, Written[]>();
  const { streams, consumers } = await jetstreamManager(connection);
  const { state: { messages: all } } = await streams.info(RECORDS_STREAM);
  await consumers.add(RECORDS_STREAM, { name: "history", ack_policy: AckPolicy.None });
  const consumer = await jetstream(connection).consumers.get(RECORDS_STREAM, "history");
  const prefix = recordSubject("");
  for (let read = 0; read < all;) {
    const batch = await consumer.fetch({ max_messages: Math.min(1_000, all - read) });
    for await (const message of batch) {
      read++;
      const record = readRecord(message.data.length === 0 ? undefined : message.json());
      if (record === undefined) continue;
      const token = message.subject.slice(prefix.length);
      const storedAt = message.timestampNanos / 1_000_000n;
      const written = { record, storedAt: Number(storedAt) };
      const before = history.get(token);
      if (before === undefined) history.set(token, [written]);
      else before.push(written);
    }
  }
  await consumers.delete(RECORDS_STREAM, "history");
  await connection.close();
  return history;
}
