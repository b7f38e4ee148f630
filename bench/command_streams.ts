// The streams of the run of commands: how much they have stored so far, asked by neither of the two.

import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { RECORDS_STREAM as RECORDS } from "../src/domain/command_subject.ts";
import { QUEUES } from "./command_contract.ts";
import type { Kind } from "./report.ts";

/** Looks at the streams over a connection of its own. */
export interface StreamWatcher {
  /** How many messages were stored for a kind since its streams were made. */
  stored(kind: Kind): Promise<number>;
  /** Removes the records of commands that have ended, so that they do not grow. */
  emptyRecords(): Promise<void>;
  /** Resolves when nothing waits in the queue of a kind, or is at hand. @throws {Error} when that takes too long. */
  whenDone(kind: Kind): Promise<void>;
  /** Ends the connection. */
  close(): Promise<void>;
}

const DONE_WITHIN_MS = 10_000;

/** Looks at the streams that the workers make. */
export async function watchStreams(servers: string): Promise<StreamWatcher> {
  const connection = await connect({ servers });
  const { streams } = await jetstreamManager(connection);
  const stateOf = async (stream: string) => (await streams.info(stream)).state;
  return {
    stored: async (kind) => {
      const all = kind === "aegis" ? [QUEUES[kind], RECORDS] : [QUEUES[kind]];
      const states = await Promise.all(all.map(stateOf));
      return states.reduce((sum, { last_seq: last }) => sum + last, 0);
    },
    emptyRecords: async () => {
      await streams.purge(RECORDS);
    },
    whenDone: async (kind) => {
      for (const until = performance.now() + DONE_WITHIN_MS; performance.now() < until;) {
        if ((await stateOf(QUEUES[kind])).messages === 0) return;
      }
      const { messages } = await stateOf(QUEUES[kind]);
      throw new Error(`${QUEUES[kind]} still has ${messages} commands, whose results were told`);
    },
    close: () => connection.close(),
  };
}
