// The streams of one bus: found or made, for whoever stores in them or takes from them.

import { AegisError, ConflictError } from "../domain/error.ts";
import {
  commandStream,
  commandStreamSubject,
  LATER_STREAM,
  LATER_SUBJECT,
  RECORDS_STREAM,
  recordSubject,
} from "../domain/command_subject.ts";
import { DEAD_LETTERS_PREFIX, DEAD_LETTERS_STREAM } from "../domain/dead_letter.ts";
import { EVENTS_PREFIX, EVENTS_STREAM } from "../domain/event_type.ts";
import type { Stamp } from "../domain/stamp.ts";
import {
  STREAM_DEFAULTS,
  type StreamOptions,
  type StreamsOptions,
} from "../domain/stream_options.ts";
import type { PublishAck, StreamConfig, Streams } from "../ports/stream.ts";
import { covers, logStep, type PlannedStep, planStream, type WantedStream } from "./resources.ts";
import type { Runtime } from "./runtime.ts";

/**
 * Which stream: that of all events, of all dead letters, of the records of commands, of commands that wait for their time,
 * or of the commands of a service.
 */
export type StreamKey = "events" | "deadLetters" | "records" | "later" | `commands.${string}`;

interface Spec extends Pick<StreamConfig, "name" | "description" | "retention" | "bucket"> {
  readonly subject: string;
  /** Where its options are; undefined where it has none. */
  readonly options: keyof StreamsOptions | undefined;
}

const SPECS: Readonly<Record<Exclude<StreamKey, `commands.${string}`>, Spec>> = {
  events: {
    name: EVENTS_STREAM,
    subject: `${EVENTS_PREFIX}.>`,
    description: "Events of all services",
    retention: "limits",
    bucket: false,
    options: "events",
  },
  deadLetters: {
    name: DEAD_LETTERS_STREAM,
    subject: `${DEAD_LETTERS_PREFIX}.>`,
    description: "What services could not handle",
    retention: "limits",
    bucket: false,
    options: "deadLetters",
  },
  records: {
    name: RECORDS_STREAM,
    subject: recordSubject(">"),
    description: "Records of the commands of all services",
    retention: "limits",
    bucket: true,
    options: "commandRecords",
  },
  later: {
    name: LATER_STREAM,
    subject: LATER_SUBJECT,
    description: "Commands of all services until they are due",
    retention: "workqueue",
    bucket: false,
    options: undefined,
  },
};

function specOf(key: StreamKey): Spec {
  if (!key.startsWith("commands.")) return SPECS[key as keyof typeof SPECS];
  const service = key.slice("commands.".length);
  return {
    name: commandStream(service),
    subject: commandStreamSubject(service),
    description: `Commands of ${service}`,
    retention: "workqueue",
    bucket: false,
    options: "commands",
  };
}

/** How long storing what is not published by a program may take, in milliseconds. */
const PUBLISH_MS = 5_000;

/** The streams of one bus. */
export class BusStreams {
  readonly #runtime: Runtime;
  readonly #found = new Map<StreamKey, Promise<string>>();
  readonly #renewing = new Map<StreamKey, Promise<string>>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Streams and consumers of the transport. @throws {AegisError} with code `JETSTREAM_DISABLED` where it has none. */
  get ports(): Streams {
    const { streams } = this.#runtime.transport;
    if (streams !== undefined) return streams;
    throw new AegisError(
      "JETSTREAM_DISABLED",
      "Cannot use events and commands: this transport has no streams",
    );
  }

  /** The name of a stream, which is made where it is not there. Whatever was found is remembered. */
  name(key: StreamKey, stamp: Stamp): Promise<string> {
    let found = this.#found.get(key);
    if (found === undefined) {
      found = this.#make(key, stamp);
      this.#found.set(key, found);
      found.catch(() => this.#found.delete(key));
    }
    return found;
  }

  /** The same, after what was found has gone. Many who meet with that at the same time have it looked for once. */
  renewed(key: StreamKey, stamp: Stamp): Promise<string> {
    let renewing = this.#renewing.get(key);
    if (renewing === undefined) {
      this.#found.delete(key);
      renewing = this.name(key, stamp).finally(() => this.#renewing.delete(key));
      this.#renewing.set(key, renewing);
    }
    return renewing;
  }

  /** What becomes of a stream, and the name of the one that is used: somebody else's where that has its subjects already. */
  async plan(
    key: StreamKey,
    stamp: Stamp,
  ): Promise<{ readonly name: string; readonly planned: PlannedStep | undefined }> {
    const { admin } = this.ports;
    const { name } = specOf(key);
    const other = await this.#other(key);
    if (other !== undefined) return { name: other, planned: undefined };
    return { name, planned: await planStream(admin, this.#wanted(key, stamp)) };
  }

  /** The name of a stream that is there, which is not made. */
  async lookUp(key: StreamKey): Promise<string | undefined> {
    const { name } = specOf(key);
    return await this.#other(key) ??
      (await this.ports.admin.stream(name) === undefined ? undefined : name);
  }

  /** Publishes to a stream, which is made where it is not there; resolves when it is stored. */
  async publish(
    key: StreamKey,
    stamp: Stamp,
    subject: string,
    body: string | Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<PublishAck> {
    const { store } = this.ports;
    await this.name(key, stamp);
    try {
      return await store.publish(subject, body, headers, PUBLISH_MS);
    } catch (error) {
      if (!AegisError.is(error, "STREAM_NOT_FOUND")) throw error;
      await this.renewed(key, stamp);
      return await store.publish(subject, body, headers, PUBLISH_MS);
    }
  }

  /** Somebody else's stream that has all the subjects of one of ours. @throws {ConflictError} when it has a part of them. */
  async #other(key: StreamKey): Promise<string | undefined> {
    const { admin } = this.ports;
    const { name, subject } = specOf(key);
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

  async #make(key: StreamKey, stamp: Stamp): Promise<string> {
    const { name, planned } = await this.plan(key, stamp);
    try {
      await this.#apply(name, planned, stamp);
    } catch (error) {
      // Another instance may have made it at the same moment, with other settings: then it is compared with those.
      if (planned?.step.action !== "create" || !ConflictError.is(error)) throw error;
      const again = await this.plan(key, stamp);
      if (again.planned?.step.action === "create") throw error;
      await this.#apply(again.name, again.planned, stamp);
      return again.name;
    }
    return name;
  }

  async #apply(name: string, planned: PlannedStep | undefined, stamp: Stamp): Promise<void> {
    if (planned === undefined) return;
    const { logger } = this.#runtime;
    await planned.apply();
    logStep(logger, planned.step, stamp);
    const { action, changes } = planned.step;
    if (action !== "keep" || !changes.some(({ setting }) => setting === "replicas")) return;
    logger.warn(
      `The stream ${name} is used as its service has set it up, and not with the replicas asked for`,
      { changes },
    );
  }

  #wanted(key: StreamKey, stamp: Stamp): WantedStream {
    const { replicas, streams } = this.#runtime;
    const { subject, options, ...what } = specOf(key);
    const given: StreamOptions = options === undefined ? {} : streams[options] ?? {};
    const asked = Object.fromEntries(
      Object.entries(given).filter(([, value]) => value !== undefined),
    ) as StreamOptions;
    return {
      config: {
        ...what,
        // One without options has no limits either: it never has to choose what gives way.
        ...(options === undefined
          ? { ...STREAM_DEFAULTS.commands, discard: "old" as const }
          : STREAM_DEFAULTS[options]),
        ...asked,
        subjects: [subject],
        maxMessagesPerSubject: what.bucket ? 1 : 0,
        schedules: key === "later",
        messageTtl: false,
        // What decides by what a bucket holds asks its leader: other servers may hold what is old.
        direct: !what.bucket,
        replicas,
      },
      // One replica is what nobody has asked for: it takes none away that somebody else did.
      asked: { ...asked, ...(replicas > 1 ? { replicas } : {}) },
      stamp,
    };
  }
}
