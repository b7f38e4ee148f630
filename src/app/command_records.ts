// The records of commands: kept in a bucket, each write on condition that nobody else has written meanwhile.

import {
  type CommandRecord,
  readRecord as recordOf,
  recordValue,
} from "../domain/command_record.ts";
import { recordSubject } from "../domain/command_subject.ts";
import { AegisError, ConflictError, SerializationError } from "../domain/error.ts";
import type { Stamp } from "../domain/stamp.ts";
import type { Codec } from "../ports/codec.ts";
import type { Message } from "../ports/messaging.ts";
import type { StoredMessage } from "../ports/stream.ts";
import type { BusStreams } from "./bus_streams.ts";
import type { Parking } from "./parking.ts";
import { pause } from "./pause.ts";
import { codecOf, decodeBody, type Runtime } from "./runtime.ts";
import { store } from "./storing.ts";

/** A record as it is kept. */
export interface Kept {
  /** The record; undefined where there is none. */
  readonly record: CommandRecord | undefined;
  /** What the next write must name; 0 where nothing was ever written. */
  readonly revision: number;
  /** When it was stored, in milliseconds since the epoch on the broker's clock; undefined where that was not looked at. */
  readonly storedAt?: number;
  /** The encoding that it is in. Whoever writes the next one keeps it: who reads the command then reads its record. */
  readonly codec?: Codec;
  /** Why nobody can tell what is there; only where that was asked for. */
  readonly fault?: SerializationError;
}

/** How to write. */
export interface WriteOptions {
  /** The encoding. */
  readonly codec: Codec;
  /** When there is no use in it any more, in monotonic milliseconds. */
  readonly expiresAt: number;
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
}

const FIRST_WAIT_MS = 20;
const LAST_WAIT_MS = 500;
const EXPECTED = "Nats-Expected-Last-Subject-Sequence";
/** How the tools of NATS tell that a key was deleted. */
const OPERATION = "KV-Operation";

/** The records that one bus reaches. */
export class CommandRecords {
  readonly #runtime: Runtime;
  readonly #streams: BusStreams;
  readonly #parking: Parking;
  readonly #stamp: Stamp;

  /** Makes the records; a bucket that is made has the stamp. */
  constructor(runtime: Runtime, streams: BusStreams, parking: Parking, stamp: Stamp) {
    this.#runtime = runtime;
    this.#streams = streams;
    this.#parking = parking;
    this.#stamp = stamp;
  }

  /** Has the bucket ready. */
  prepare(): Promise<string> {
    return this.#streams.name("records", this.#stamp);
  }

  /**
   * The record of the command with this token, as the bucket's leader has it.
   *
   * @throws {SerializationError} when it is in an encoding that this side does not understand, or is none.
   */
  async read(token: string): Promise<Kept> {
    const kept = await this.readAtHand(token);
    if (kept.fault !== undefined) throw kept.fault;
    return kept;
  }

  /** The same for whoever has the command at hand: one that is damaged is as if there were none, and can be written over. */
  async readAtHand(token: string): Promise<Kept> {
    const stored = await this.#last(recordSubject(token));
    if (stored === undefined) return { record: undefined, revision: 0 };
    const { sequence: revision, data, headers, subject, storedAt } = stored;
    if (headers[OPERATION] !== undefined || data.length === 0) {
      return { record: undefined, revision };
    }
    return { ...this.#decode(token, { subject, data }), revision, storedAt };
  }

  /** For how long a record is kept after its last change, in milliseconds; 0 is for ever. */
  async maxAgeMs(): Promise<number> {
    const state = await this.#streams.ports.admin.stream(await this.prepare());
    return state?.config.maxAgeMs ?? 0;
  }

  /** As {@linkcode read}, over outages, until the time of `options` is over. */
  readUntil(
    token: string,
    { expiresAt, signal }: Pick<WriteOptions, "expiresAt" | "signal">,
  ): Promise<Kept> {
    return store(this.#runtime, this.#parking, {
      what: `read the record of command ${token}`,
      expiresAt,
      signal,
      attempt: () => this.read(token),
    });
  }

  /** As {@linkcode readAtHand}, however long the bus is away. @throws {ClosedError} when it is closed. */
  async readPatiently(token: string): Promise<Kept> {
    const { transport, clock } = this.#runtime;
    for (let wait = FIRST_WAIT_MS;; wait = Math.min(2 * wait, LAST_WAIT_MS)) {
      try {
        return await this.readAtHand(token);
      } catch (error) {
        if (!AegisError.is(error)) throw error;
        const passes = ["SERVICE_UNAVAILABLE", "TIMEOUT"].includes(error.code);
        if (!passes || transport.status === "closed") throw error;
        if (transport.status === "connected") await pause(this.#runtime, wait);
        else await this.#parking.whenConnected(clock.monotonic() + LAST_WAIT_MS, undefined);
      }
    }
  }

  /**
   * Writes a record in the place of that with `revision`, over outages and time-outs; its own revision.
   *
   * @throws {ConflictError} when somebody else has written meanwhile.
   * @throws {UnavailableError | TimeoutError | ClosedError | SerializationError} when it is not written.
   */
  write(
    token: string,
    record: CommandRecord,
    revision: number,
    options: WriteOptions,
  ): Promise<number> {
    const { codec, expiresAt, signal } = options;
    const subject = recordSubject(token);
    const body = codec.encode(recordValue(record));
    const { store: stream } = this.#streams.ports;
    let expected = revision;
    let attempts = 0;
    return store(this.#runtime, this.#parking, {
      what: `write the record of command ${record.id}`,
      expiresAt,
      signal,
      attempt: (withinMs) => {
        attempts++;
        return stream.publish(subject, body, { [EXPECTED]: String(expected) }, withinMs);
      },
      renew: async () => {
        await this.#streams.renewed("records", this.#stamp);
        // The bucket is made anew, and nothing is in it.
        expected = 0;
      },
    }).then(({ sequence }) => sequence, async (error) => {
      // What was not heard of and asked for again may be there since the first time.
      if (attempts < 2 || !ConflictError.is(error)) throw error;
      const kept = await this.readAtHand(token);
      if (kept.record === undefined || !isSame(kept.record, record)) throw error;
      return kept.revision;
    });
  }

  /** Removes a record that has `revision`. */
  async remove(token: string, revision: number): Promise<void> {
    const headers = { [EXPECTED]: String(revision), [OPERATION]: "DEL" };
    await this.#streams.ports.store.publish(recordSubject(token), "", headers, 2_000);
  }

  async #last(subject: string): Promise<StoredMessage | undefined> {
    const { store: stream } = this.#streams.ports;
    try {
      return await stream.last(await this.prepare(), subject);
    } catch (error) {
      if (!AegisError.is(error, "STREAM_NOT_FOUND")) throw error;
      // The bucket was removed, and all that was in it. It is made anew for what comes.
      await this.#streams.renewed("records", this.#stamp);
      return undefined;
    }
  }

  #decode(token: string, message: Message): Pick<Kept, "record" | "codec" | "fault"> {
    let cause: unknown;
    try {
      const codec = codecOf(this.#runtime, message);
      const record = recordOf(decodeBody(codec, message));
      if (record !== undefined) return { record, codec };
    } catch (error) {
      cause = error;
    }
    const why = cause instanceof Error ? cause.message : "it is none";
    return {
      record: undefined,
      fault: new SerializationError(`Cannot read the record of command ${token}: ${why}`, {
        cause,
      }),
    };
  }
}

function isSame(is: CommandRecord, written: CommandRecord): boolean {
  return is.state === written.state && is.attempts === written.attempts &&
    is.instanceId === written.instanceId && is.updatedAt === written.updatedAt &&
    is.percent === written.percent;
}
