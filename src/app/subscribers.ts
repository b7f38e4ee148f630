// Subscribers: all handlers of events of one instance of a service.

import type { Stamp } from "../domain/stamp.ts";
import { DeadLetterWriter } from "./dead_letter_writer.ts";
import type { HandlingParts } from "./event_handling.ts";
import { Source, type SourceHealth } from "./source.ts";
import { HandBackNotes } from "./hand_back_notes.ts";
import type { BusStreams } from "./bus_streams.ts";
import type { EventHandler } from "./on.ts";
import { patiently } from "./patience.ts";
import type { Runtime } from "./runtime.ts";
import { Subscriber } from "./subscriber.ts";
import { consumerOf, handlerIdOf, isEphemeral } from "./subscription_plan.ts";
import { Suspects } from "./suspects.ts";
import { together, type Work } from "./work.ts";

/** How a handler of events is doing. */
export interface EventHealth extends SourceHealth {
  /** Its pattern. */
  readonly pattern: string;
  /** How many events its handlers work on, or that wait here for a slot. */
  readonly inFlight: number;
}

/** How the subscribers of an instance are set up. */
export interface SubscribersOptions extends HandlingParts {
  readonly version: string;
  readonly hasOwnId: boolean;
  readonly streams: BusStreams;
  readonly handlers: readonly EventHandler[];
}

interface Entry {
  readonly handler: EventHandler;
  readonly source: Source;
  readonly subscriber: Subscriber;
}

/** Handles the events of one instance of a service. */
export class Subscribers {
  /** What stop() waits for. */
  readonly work: Work;
  readonly #entries: readonly Entry[];
  readonly #runtime: Runtime;

  constructor(options: SubscribersOptions) {
    this.#runtime = options.runtime;
    const { runtime, service, version, streams, handlers } = options;
    const stamp: Stamp = { by: service, version };
    this.#entries = handlers.map((handler) => {
      const config = consumerOf(handler, options);
      const ephemeral = isEphemeral(handler);
      const source = new Source({ runtime, streams, key: "events", config, stamp, ephemeral });
      const handlerId = handlerIdOf(handler, service);
      const { instanceId } = options;
      const { pattern } = handler;
      const { mode } = handler.settings;
      const common = { runtime, streams, stamp, service, instanceId, handlerId, source };
      const kind = "events" as const;
      const deadLetters = new DeadLetterWriter({ ...common, kind, handles: pattern, mode });
      const suspects = new Suspects(streams, handlerId, stamp);
      const notes = ephemeral ? undefined : new HandBackNotes({
        streams,
        stamp,
        handlerId,
        consumer: config.name,
        floor: () => source.floor,
        clock: runtime.clock,
      });
      const parts = { ...options, handler, handlerId, source, deadLetters, suspects, notes };
      return { handler, source, subscriber: new Subscriber(parts) };
    });
    this.work = together(this.#entries.map(({ subscriber }) => subscriber));
  }

  /** Makes what the handlers need on the server, or compares it. @throws {ConflictError} when it cannot be as it must be. */
  async prepare(): Promise<void> {
    const runtime = this.#runtime;
    // First whatever cannot be: then nothing is made. One after another, so that streams are made once.
    for (const { source } of this.#entries) await patiently(runtime, () => source.plan());
    for (const { source } of this.#entries) await patiently(runtime, () => source.prepare());
  }

  /** Begins to take events. */
  open(): void {
    for (const { subscriber } of this.#entries) subscriber.open();
  }

  /** How they are doing, in the order of the handlers. */
  health(): EventHealth[] {
    return this.#entries.map(({ handler, source, subscriber }) => ({
      pattern: handler.pattern,
      ...source.health(),
      inFlight: subscriber.inFlight,
    }));
  }
}
