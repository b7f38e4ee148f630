// Bursts: many events stored the fastest way that the broker has, and one by one where that breaks.

import type { Ingest } from "../ports/stream.ts";
import type { BusStreams } from "./bus_streams.ts";
import type { Job } from "./publish_job.ts";
import type { Publisher } from "./publisher.ts";

/** An event of a burst, and who is told what became of it. */
interface Entry {
  readonly job: Job;
  readonly onStored: () => void;
  readonly onBroken: () => void;
}

/** A burst of events into one stream. */
export class Burst {
  readonly #publisher: Publisher;
  readonly #stream: string;
  #entries: Entry[] = [];
  /** How many of the entries are stored, and how many were let go of before them. */
  #stored = 0;
  #gone = 0;
  #ingest: Ingest | undefined;

  private constructor(publisher: Publisher, stream: string) {
    this.#publisher = publisher;
    this.#stream = stream;
  }

  /** Begins one; undefined where the broker, or the stream, has none. */
  static begin(publisher: Publisher, streams: BusStreams, stream: string): Burst | undefined {
    const burst = new Burst(publisher, stream);
    burst.#ingest = streams.ports.store.ingest?.(stream, {
      onStored: (count) => burst.#settle(count),
      onBroken: () => burst.#break(),
    });
    return burst.#ingest === undefined ? undefined : burst;
  }

  /** The stream. */
  get stream(): string {
    return this.#stream;
  }

  /** Whether it takes events: it has not broken. */
  get isOpen(): boolean {
    return this.#ingest !== undefined;
  }

  /** Resolves when it has room for another event, or has broken. */
  ready(): Promise<void> | undefined {
    return this.#ingest === undefined || this.#ingest.hasRoom ? undefined : this.#ingest.ready();
  }

  /** Adds an event. `onBroken` is called when nobody knows whether it is stored: it has to be published again. */
  add(job: Job, onStored: () => void, onBroken: () => void): void {
    if (this.#ingest === undefined) return onBroken();
    this.#entries.push({ job, onStored, onBroken });
    this.#ingest.add(job.subject, job.body, job.headers);
  }

  /** Ends it; resolves when all of it is stored, or it has broken. */
  async end(): Promise<void> {
    await this.#ingest?.end();
  }

  #settle(count: number): void {
    for (; this.#gone + this.#stored < count; this.#stored++) {
      const entry = this.#entries[this.#stored]!;
      this.#publisher.done(entry.job);
      entry.onStored();
    }
    // What is stored is let go of, however long the burst goes on.
    if (this.#stored < this.#entries.length / 2) return;
    this.#gone += this.#stored;
    this.#entries = this.#entries.slice(this.#stored);
    this.#stored = 0;
  }

  #break(): void {
    this.#ingest = undefined;
    const unknown = this.#entries.slice(this.#stored);
    this.#entries = [];
    for (const { onBroken } of unknown) onBroken();
  }
}
