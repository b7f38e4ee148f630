// The streams of the embedded broker: by name, and by the subjects that they store.

import { ConflictError } from "../../domain/error.ts";
import type { ConsumerConfig, PublishAck, StreamConfig } from "../../ports/stream.ts";
import { Alarms } from "./alarms.ts";
import type { MemoryMessage } from "./broker.ts";
import type { BrokerClock } from "./broker_clock.ts";
import { MemoryConsumer, type Surroundings } from "./consumer.ts";
import { overlap } from "./pattern.ts";
import { MemoryStream, noStream } from "./stream.ts";

/** What a server takes for a duplicate window where none is said, in milliseconds. */
const DUPLICATE_WINDOW_MS = 120_000;
/** For how many subjects at most it is remembered which stream stores them. */
const MAX_KNOWN = 1_000;

/** Makes, compares and removes streams and consumers, and stores what is published. */
export class StreamBank {
  readonly #streams = new Map<string, MemoryStream>();
  readonly #known = new Map<string, MemoryStream | undefined>();
  /** The time that it goes by. */
  readonly clock: BrokerClock;
  readonly #around: Surroundings;

  /** Makes an empty one; `post` runs something in the broker's next turn. */
  constructor(clock: BrokerClock, post: (task: () => void) => void) {
    this.clock = clock;
    this.#around = {
      post,
      alarms: new Alarms(clock, false),
      background: new Alarms(clock, true),
      monotonic: () => clock.monotonic(),
    };
  }

  /** Lets time pass for it. */
  start(): void {
    this.#around.alarms.start();
    this.#around.background.start();
  }

  /** Holds no timer any more, until `start()`. */
  stop(): void {
    this.#around.alarms.stop();
    this.#around.background.stop();
  }

  /** The stream that stores what is published to a subject. */
  streamOf(subject: string): MemoryStream | undefined {
    if (this.#streams.size === 0) return undefined;
    if (this.#known.has(subject)) return this.#known.get(subject);
    const found = [...this.#streams.values()].find((stream) => stream.covers(subject));
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(subject, found);
    return found;
  }

  /** Stores a message; gives what its stream says of it, or why that refused it. Undefined where no stream stores it. */
  store(message: MemoryMessage): PublishAck | Error | undefined {
    const stream = this.streamOf(message.subject);
    try {
      return stream?.store(message);
    } catch (error) {
      return error as Error;
    }
  }

  /** A stream. */
  stream(name: string): MemoryStream | undefined {
    return this.#streams.get(name);
  }

  /** A consumer. */
  consumer(stream: string, name: string): MemoryConsumer | undefined {
    return this.#streams.get(stream)?.consumers.get(name);
  }

  /** Makes a stream, unless it is there. */
  create(given: StreamConfig): void {
    const config = settled(given);
    const what = `make the stream ${config.name}`;
    const there = this.#streams.get(config.name);
    if (there !== undefined) {
      return assertSame(what, sorted(there.config), sorted(config), Object.keys(config));
    }
    this.#assertApart(what, config);
    this.#streams.set(config.name, new MemoryStream(config, this.clock, this.#around.background));
    this.#known.clear();
  }

  /** Changes a stream. */
  update(given: StreamConfig): void {
    const config = settled(given);
    const what = `change the stream ${config.name}`;
    const stream = this.#streams.get(config.name);
    if (stream === undefined) {
      throw noStream(`${what}: there is none of that name`, { stream: config.name });
    }
    assertSame(what, stream.config, config, ["storage", "retention"]);
    for (const setting of ["bucket", "messageTtl"] as const) {
      // One becomes such a stream, and stays one.
      if (stream.config[setting]) assertSame(what, stream.config, config, [setting]);
    }
    this.#assertApart(what, config);
    stream.update(config);
    this.#known.clear();
  }

  /** Removes a stream with all that it holds; false when there was none. */
  delete(name: string): boolean {
    const stream = this.#streams.get(name);
    if (stream === undefined) return false;
    this.#streams.delete(name);
    this.#known.clear();
    stream.end();
    return true;
  }

  /** Makes a consumer, or changes it. */
  putConsumer(name: string, config: ConsumerConfig): void {
    const what = `make the consumer ${config.name} of the stream ${name}`;
    const stream = this.#streams.get(name);
    if (stream === undefined) {
      throw noStream(`${what}: there is no such stream`, { stream: name });
    }
    const there = stream.consumers.get(config.name);
    if (there !== undefined) assertSame(what, there.state.config, config, ["from"]);
    if (stream.config.retention === "workqueue") assertQueue(what, stream, config);
    if (there !== undefined) return there.update({ ...config });
    const onInactive = (): void => void this.deleteConsumer(name, config.name);
    const consumer = new MemoryConsumer({ ...config }, stream, this.#around, onInactive);
    stream.consumers.set(config.name, consumer);
  }

  /** Removes a consumer; false when there was none. */
  deleteConsumer(stream: string, name: string): boolean {
    const consumer = this.consumer(stream, name);
    if (consumer === undefined) return false;
    this.#streams.get(stream)?.consumers.delete(name);
    consumer.end();
    return true;
  }

  #assertApart(what: string, { name, subjects }: StreamConfig): void {
    for (const { config } of this.#streams.values()) {
      if (config.name === name) continue;
      const shared = config.subjects.find((one) => subjects.some((other) => overlap(one, other)));
      if (shared === undefined) continue;
      throw new ConflictError(
        `Cannot ${what}: the stream ${config.name} stores ${shared}, and no message is stored by two; choose other subjects`,
        { details: { stream: config.name, subject: shared } },
      );
    }
  }
}

/**
 * Settings as they are taken: as on a server, no id is remembered for longer than its message is kept; and nothing is
 * published later.
 */
function settled(config: StreamConfig): StreamConfig {
  const { duplicateWindowMs, maxAgeMs } = config;
  const window = duplicateWindowMs || DUPLICATE_WINDOW_MS;
  return {
    ...config,
    duplicateWindowMs: Math.min(window, maxAgeMs || window),
    schedules: false,
  };
}

/** Settings with their subjects in order, which means nothing. */
function sorted(config: StreamConfig): StreamConfig {
  return { ...config, subjects: [...config.subjects].sort() };
}

function assertSame<T extends object>(what: string, is: T, wanted: T, settings: string[]): void {
  for (const setting of settings) {
    const [one, other] = [is, wanted].map((of) => JSON.stringify(of[setting as keyof T]));
    if (one === other) continue;
    throw new ConflictError(
      `Cannot ${what}: it is there with another setting ${setting}, ${one} and not ${other}`,
      { details: { setting, is: is[setting as keyof T], wanted: wanted[setting as keyof T] } },
    );
  }
}

/** A message of a work queue is for one consumer: none may overlap, and none may leave out what is there. */
function assertQueue(what: string, stream: MemoryStream, config: ConsumerConfig): void {
  if (config.from !== "all") {
    throw new ConflictError(`Cannot ${what}: a consumer of a work queue has to begin at "all"`);
  }
  for (const { state: { config: other } } of stream.consumers.values()) {
    if (other.name === config.name || !overlap(other.filter, config.filter)) continue;
    throw new ConflictError(
      `Cannot ${what}: the consumer ${other.name} takes ${other.filter}, and a message of a work queue is for one`,
      { details: { consumer: other.name, filter: other.filter } },
    );
  }
}
