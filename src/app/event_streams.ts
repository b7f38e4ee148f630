// The streams of events: found or made, for whoever publishes or handles them.

import { AegisError, ConflictError } from "../domain/error.ts";
import { DEAD_LETTERS_PREFIX, DEAD_LETTERS_STREAM } from "../domain/dead_letter.ts";
import { EVENTS_PREFIX, EVENTS_STREAM } from "../domain/event_type.ts";
import type { Stamp } from "../domain/stamp.ts";
import { STREAM_DEFAULTS, type StreamOptions } from "../domain/stream_options.ts";
import type { StreamConfig, Streams } from "../ports/stream.ts";
import { type PlannedStep, planStream, type WantedStream } from "./resources.ts";
import type { Runtime } from "./runtime.ts";

type Kind = "events" | "deadLetters";

const WHAT: Readonly<
  Record<Kind, Pick<StreamConfig, "name" | "description"> & { subject: string }>
> = {
  events: {
    name: EVENTS_STREAM,
    subject: `${EVENTS_PREFIX}.>`,
    description: "Events of all services",
  },
  deadLetters: {
    name: DEAD_LETTERS_STREAM,
    subject: `${DEAD_LETTERS_PREFIX}.>`,
    description: "What services could not handle",
  },
};

/** The streams of one bus. */
export class EventStreams {
  readonly #runtime: Runtime;
  readonly #found = new Map<Kind, Promise<string>>();
  readonly #renewing = new Map<Kind, Promise<string>>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Streams and consumers of the transport. @throws {AegisError} with code `JETSTREAM_DISABLED` where it has none. */
  get ports(): Streams {
    const { streams } = this.#runtime.transport;
    if (streams !== undefined) return streams;
    throw new AegisError(
      "JETSTREAM_DISABLED",
      "Cannot use events: this transport has no streams",
    );
  }

  /** The name of a stream, which is made where it is not there. Whatever was found is remembered. */
  name(kind: Kind, stamp: Stamp): Promise<string> {
    let found = this.#found.get(kind);
    if (found === undefined) {
      found = this.#make(kind, stamp);
      this.#found.set(kind, found);
      found.catch(() => this.#found.delete(kind));
    }
    return found;
  }

  /** The same, after what was found has gone. Many who meet with that at the same time have it looked for once. */
  renewed(kind: Kind, stamp: Stamp): Promise<string> {
    let renewing = this.#renewing.get(kind);
    if (renewing === undefined) {
      this.#found.delete(kind);
      renewing = this.name(kind, stamp).finally(() => this.#renewing.delete(kind));
      this.#renewing.set(kind, renewing);
    }
    return renewing;
  }

  /** What becomes of a stream, and the name of the one that is used: somebody else's where that has its subjects already. */
  async plan(
    kind: Kind,
    stamp: Stamp,
  ): Promise<{ readonly name: string; readonly planned: PlannedStep | undefined }> {
    const { admin } = this.ports;
    const { name, subject } = WHAT[kind];
    if (await admin.stream(name) === undefined) {
      const other = await admin.streamOf(subject);
      if (other !== undefined) return { name: other, planned: undefined };
    }
    return { name, planned: await planStream(admin, this.#wanted(kind, stamp)) };
  }

  async #make(kind: Kind, stamp: Stamp): Promise<string> {
    const { name, planned } = await this.plan(kind, stamp);
    try {
      await planned?.apply();
    } catch (error) {
      // Another instance may have made it at the same moment, with other settings: then it is compared with those.
      if (planned?.step.action !== "create" || !ConflictError.is(error)) throw error;
      const again = await this.plan(kind, stamp);
      if (again.planned?.step.action === "create") throw error;
      await again.planned?.apply();
      return again.name;
    }
    return name;
  }

  #wanted(kind: Kind, stamp: Stamp): WantedStream {
    const { replicas, streams } = this.#runtime;
    const { subject, ...what } = WHAT[kind];
    const given: StreamOptions = streams[kind] ?? {};
    const asked = Object.fromEntries(
      Object.entries(given).filter(([, value]) => value !== undefined),
    ) as StreamOptions;
    return {
      config: {
        ...what,
        ...STREAM_DEFAULTS[kind],
        ...asked,
        subjects: [subject],
        retention: "limits",
        replicas,
      },
      // One replica is what nobody has asked for: it takes none away that somebody else did.
      asked: { ...asked, ...(replicas > 1 ? { replicas } : {}) },
      stamp,
    };
  }
}
