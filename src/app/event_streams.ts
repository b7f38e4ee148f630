// The streams of events: found or made, for whoever publishes or handles them.

import { AegisError, ConflictError } from "../domain/error.ts";
import { DEAD_LETTERS_PREFIX, DEAD_LETTERS_STREAM } from "../domain/dead_letter.ts";
import { EVENTS_PREFIX, EVENTS_STREAM } from "../domain/event_type.ts";
import type { Stamp } from "../domain/stamp.ts";
import { STREAM_DEFAULTS, type StreamOptions } from "../domain/stream_options.ts";
import type { PublishAck, StreamConfig, Streams } from "../ports/stream.ts";
import { covers, logStep, type PlannedStep, planStream, type WantedStream } from "./resources.ts";
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

/** How long storing what is not published by a program may take, in milliseconds. */
const PUBLISH_MS = 5_000;

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
    const { name } = WHAT[kind];
    const other = await this.#other(kind);
    if (other !== undefined) return { name: other, planned: undefined };
    return { name, planned: await planStream(admin, this.#wanted(kind, stamp)) };
  }

  /** The name of a stream that is there, which is not made. */
  async lookUp(kind: Kind): Promise<string | undefined> {
    const { name } = WHAT[kind];
    return await this.#other(kind) ??
      (await this.ports.admin.stream(name) === undefined ? undefined : name);
  }

  /** Publishes to a stream, which is made where it is not there; resolves when it is stored. */
  async publish(
    kind: Kind,
    stamp: Stamp,
    subject: string,
    body: string | Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<PublishAck> {
    const { store } = this.ports;
    await this.name(kind, stamp);
    try {
      return await store.publish(subject, body, headers, PUBLISH_MS);
    } catch (error) {
      if (!AegisError.is(error, "STREAM_NOT_FOUND")) throw error;
      await this.renewed(kind, stamp);
      return await store.publish(subject, body, headers, PUBLISH_MS);
    }
  }

  /** Somebody else's stream that has all the subjects of one of ours. @throws {ConflictError} when it has a part of them. */
  async #other(kind: Kind): Promise<string | undefined> {
    const { admin } = this.ports;
    const { name, subject } = WHAT[kind];
    if (await admin.stream(name) !== undefined) return undefined;
    const other = await admin.streamOf(subject);
    const state = other === undefined ? undefined : await admin.stream(other);
    if (state === undefined) return undefined;
    const { subjects } = state.config;
    if (subjects.some((theirs) => covers(theirs, subject))) return other;
    throw new ConflictError(
      `Cannot make the stream ${name} of ${subject}: the stream ${other} has a part of that, ${
        subjects.join(", ")
      }; have it store ${subject}, or take that part from it`,
      { details: { stream: name, other, subjects } },
    );
  }

  async #make(kind: Kind, stamp: Stamp): Promise<string> {
    const { name, planned } = await this.plan(kind, stamp);
    try {
      await planned?.apply();
      if (planned !== undefined) logStep(this.#runtime.logger, planned.step, stamp);
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
