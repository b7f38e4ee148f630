// Notes of what was handed back: the server counts deliveries, and these are the ones that were no attempts.

import { AegisError } from "../domain/error.ts";
import {
  countHandedBack,
  type HandedBackDelivery,
  handedBackSubject,
  mergeHandedBack,
  readHandedBack,
  writeHandedBack,
} from "../domain/handed_back.ts";
import type { Stamp } from "../domain/stamp.ts";
import type { BusStreams } from "./bus_streams.ts";

/** What is noted now. */
interface Noted {
  /** Where: one message, or several where instances wrote at the same time. */
  readonly at: readonly number[];
  readonly deliveries: readonly HandedBackDelivery[];
}

/** What notes are made of. */
export interface HandBackNotesParts {
  readonly streams: BusStreams;
  readonly stamp: Stamp;
  /** What all instances of the handler have in common. */
  readonly handlerId: string;
  readonly consumer: string;
  /** The sequence up to which all events are done. */
  readonly floor: () => number;
  readonly clock: { monotonic(): number };
}

/**
 * Keeps the notes of one consumer beside the dead letters, where all of its instances see them: one message, whatever was
 * handed back. They are written before the server is told, so that who has an event finds what was noted of it before.
 */
export class HandBackNotes {
  readonly #parts: HandBackNotesParts;
  readonly #subject: string;
  #reading: { readonly since: number; readonly noted: Promise<Noted> } | undefined;

  constructor(parts: HandBackNotesParts) {
    this.#parts = parts;
    this.#subject = handedBackSubject(parts.handlerId, parts.consumer);
  }

  /** Notes deliveries; resolves when that is stored. @throws {AegisError} when it cannot be. */
  async add(deliveries: readonly HandedBackDelivery[]): Promise<void> {
    const { streams, stamp, floor } = this.#parts;
    const stream = await streams.name("deadLetters", stamp);
    const before = await this.#read(stream);
    const all = mergeHandedBack(before.deliveries, deliveries, floor());
    if (all.length > 0) {
      await streams.publish("deadLetters", stamp, this.#subject, writeHandedBack(all), {});
    }
    // One that stays says nothing that the new one does not say.
    const { store } = streams.ports;
    void Promise.allSettled(before.at.map((sequence) => store.remove(stream, sequence)));
  }

  /**
   * How many deliveries of an event before this one, which came at `arrivedAt` by the monotonic clock, were handed back.
   *
   * @throws {AegisError} when the notes cannot be read.
   */
  async count(delivery: HandedBackDelivery, arrivedAt: number): Promise<number> {
    const { streams, stamp, clock } = this.#parts;
    // What has been read since it came has all that was noted of it: many that fail together read once.
    if (this.#reading === undefined || this.#reading.since < arrivedAt) {
      const noted = streams.name("deadLetters", stamp).then((stream) => this.#read(stream));
      const reading = { since: clock.monotonic(), noted };
      this.#reading = reading;
      noted.catch(() => {
        if (this.#reading === reading) this.#reading = undefined;
      });
    }
    return countHandedBack((await this.#reading.noted).deliveries, delivery);
  }

  async #read(stream: string): Promise<Noted> {
    const { store } = this.#parts.streams.ports;
    const at: number[] = [];
    const deliveries: HandedBackDelivery[] = [];
    try {
      for (let next = 1;;) {
        const note = await store.read(stream, next, this.#subject);
        if (note === undefined) break;
        at.push(note.sequence);
        deliveries.push(...readHandedBack(note.data));
        next = note.sequence + 1;
      }
    } catch (error) {
      // Somebody has removed the stream, and with it what was noted.
      if (!AegisError.is(error, "STREAM_NOT_FOUND")) throw error;
    }
    return { at, deliveries };
  }
}
