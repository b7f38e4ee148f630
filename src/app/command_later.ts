// Commands for later: what the server publishes when it is due is moved into the queue of its service.

import {
  commandSubject,
  dueDurable,
  dueSubject,
  parseDueSubject,
  RECORD_HEADER,
  TOKEN_HEADER,
} from "../domain/command_subject.ts";
import { AegisError } from "../domain/error.ts";
import { HEADER } from "../domain/header.ts";
import type { Stamp } from "../domain/stamp.ts";
import type { ConsumerConfig, Delivery } from "../ports/stream.ts";
import type { BusStreams } from "./bus_streams.ts";
import type { Runtime } from "./runtime.ts";
import { Source } from "./source.ts";
import type { Work } from "./work.ts";

/** What it is made of. */
export interface LaterParts {
  readonly runtime: Runtime;
  readonly streams: BusStreams;
  readonly service: string;
  readonly stamp: Stamp;
}

/** How many are moved at once. */
const AT_ONCE = 64;
const MOVE_MS = 5_000;
/** How soon one is moved again that could not be, for its queue is full or the server could not, in milliseconds. */
const AGAIN_MS = 1_000;

/** The consumer of what is due for a service. */
export function dueConsumer(service: string): ConsumerConfig {
  return {
    name: dueDurable(service),
    description: `${service} takes commands that are due`,
    filter: dueSubject(service, "*", "*"),
    from: "all",
    ackWaitMs: 30_000,
    maxAckPending: 0,
    inactiveThresholdMs: 0,
  };
}

/** Moves the commands of a service that are due. Each is moved once: the queue knows those that it has by their tokens. */
export class CommandLater implements Work {
  readonly #parts: LaterParts;
  readonly #source: Source;
  readonly #idle: (() => void)[] = [];
  #moving = 0;
  #stopping = false;

  constructor(parts: LaterParts) {
    this.#parts = parts;
    const { service, ...common } = parts;
    const config = dueConsumer(service);
    this.#source = new Source({ ...common, key: "later", config, ephemeral: false });
  }

  get inFlight(): number {
    return this.#moving;
  }

  get unsettled(): number {
    return 0; // what the broker has not heard of it delivers again
  }

  /** Makes the stream and the consumer, or compares them. @throws {ConflictError} when they cannot be what they must be. */
  async prepare(): Promise<void> {
    await this.#source.plan();
    await this.#source.prepare();
  }

  /** Begins to move. */
  open(): void {
    this.#source.open((delivery) => void this.#move(delivery), () => this.#source.ask(AT_ONCE));
  }

  async drain(withinMs: number): Promise<void> {
    this.#stopping = true;
    await this.#source.drain(withinMs);
  }

  handBack(): void {
    this.#stopping = true;
  }

  whenIdle(): Promise<void> {
    return this.#moving === 0
      ? Promise.resolve()
      : new Promise((resolve) => this.#idle.push(resolve));
  }

  abort(): void {
    // A move ends by itself, within its time.
  }

  whenSettled(): Promise<void> {
    return this.#source.whenSettled();
  }

  async close(withinMs: number): Promise<void> {
    await this.#source.close(withinMs);
  }

  async #move(delivery: Delivery): Promise<void> {
    if (this.#stopping) return delivery.nak(0);
    this.#moving++;
    const { logger } = this.#parts.runtime;
    try {
      await this.#publish(delivery);
      delivery.ack();
    } catch (error) {
      logger.warn("A command that is due could not be moved into its queue; it is tried again", {
        subject: delivery.message.subject,
        error,
      });
      delivery.nak(AGAIN_MS);
    }
    this.#moving--;
    if (!this.#stopping) this.#source.ask(1);
    if (this.#moving === 0) { for (const resolve of this.#idle.splice(0)) resolve(); }
  }

  async #publish({ message }: Delivery): Promise<void> {
    const { runtime, streams, stamp, service } = this.#parts;
    const { messaging } = runtime.transport;
    const due = parseDueSubject(message.subject);
    if (due === undefined) return;
    const headers: Record<string, string> = {};
    const copy = (from: string, to: string): void => {
      const value = messaging.header(message, from);
      if (value !== undefined) headers[to] = value;
    };
    copy(TOKEN_HEADER, "Nats-Msg-Id");
    copy(RECORD_HEADER, RECORD_HEADER);
    copy(HEADER.traceparent, HEADER.traceparent);
    const subject = commandSubject(service, due.command, due.priority);
    const publish = () => streams.ports.store.publish(subject, message.data, headers, MOVE_MS);
    try {
      await publish();
    } catch (error) {
      if (!AegisError.is(error, "STREAM_NOT_FOUND")) throw error;
      await streams.renewed(`commands.${service}`, stamp);
      await publish();
    }
  }
}
