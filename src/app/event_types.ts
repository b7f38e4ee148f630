// Publishing: what is given, and what comes of it.

import type { NewEvent } from "./event.ts";

/** Options of publishing an event. */
export interface PublishOptions {
  /** How long it may take until the event is stored, in milliseconds, all attempts together. @default {5000} */
  readonly timeoutMs?: number;
  /**
   * The id of the event. What is published twice with one id within the stream's `duplicateWindowMs` is stored once.
   *
   * @default {a new one}
   */
  readonly id?: string;
  /** Message headers to send along, ASCII or UTF-8 without line breaks. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Ends the waiting: it rejects with the signal's reason. The event may be stored all the same. */
  readonly signal?: AbortSignal;
}

/** An event that is stored. */
export interface PublishedEvent {
  /** Its id. */
  readonly id: string;
  /** The stream that has it. */
  readonly stream: string;
  /** Its place there; of a duplicate, that of the event which was stored before. */
  readonly sequence: number;
  /**
   * Whether an event with that id had been published before, and this one was not stored again. That an attempt of this
   * very call was stored of which nothing was heard is no duplicate; where the user may not read the stream, an event with
   * an `id` of the program's counts as one then.
   */
  readonly duplicate: boolean;
}

/** Publishes events. */
export interface Publish {
  /** Publishes an event that a definition made. */
  (event: NewEvent, options?: PublishOptions): Promise<PublishedEvent>;
  /** Publishes an event by its type. */
  (type: string, payload?: object, options?: PublishOptions): Promise<PublishedEvent>;
}
