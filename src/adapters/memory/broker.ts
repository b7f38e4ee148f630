// The embedded broker: subjects, wildcards, queue groups and answers, inside this process.

import type { Message } from "../../ports/messaging.ts";
import type { PublishAck } from "../../ports/stream.ts";
import { type BrokerClock, SYSTEM_CLOCK } from "./broker_clock.ts";
import { isWild, matches } from "./pattern.ts";
import { StreamBank } from "./stream_bank.ts";
import { Turn } from "./turn.ts";

/** A message with its headers. */
export interface MemoryMessage extends Message {
  /** Its headers by name; undefined where it has none. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** `503` where it says that nobody listens. */
  readonly status: number | undefined;
}

/** A subscription as the broker keeps it. */
export interface Interest {
  /** The subject that it listens to, with wildcards or without. */
  readonly pattern: string;
  /** Its queue group, if it is of one. */
  readonly queue: string | undefined;
  /** Takes a message, whenever the broker's turn comes. */
  deliver(message: MemoryMessage): void;
}

/** The default of a NATS server, so that what is too large there is too large here. */
export const MAX_PAYLOAD: number = 1024 * 1024;

/** How every client of a NATS server removes a stream. */
const DELETE = "$JS.API.STREAM.DELETE.";

/** The streams of a broker; they are no part of what it shows. */
export let bankOf: (broker: MemoryBroker) => StreamBank;

/**
 * Routes messages as a NATS server does, and stores them in streams. Delivery is never part of the publisher's own call.
 *
 * @example Two buses that share a broker, as two programs share a server
 * ```ts
 * import { connect, createClient, createService, rpc } from "@aegis/sdk";
 * import { createMemoryTransport, MemoryBroker } from "@aegis/sdk/testing";
 * import { strictEqual } from "node:assert/strict";
 *
 * const broker = new MemoryBroker();
 * await using there = await connect({ transport: createMemoryTransport(broker) });
 * await using here = await connect({ transport: createMemoryTransport(broker) });
 * await using service = createService("greeter", { bus: there, handlers: [rpc("hello", () => "Hello")] });
 * await service.start();
 * strictEqual(await createClient({ bus: here }).call("greeter", "hello"), "Hello");
 * ```
 */
export class MemoryBroker {
  static {
    bankOf = (broker) => broker.#bank;
  }

  readonly #exact = new Map<string, Set<Interest>>();
  readonly #wild = new Map<Interest, readonly string[]>();
  readonly #turn = new Turn(() => this.#drain());
  readonly #bank: StreamBank;
  #queue: (() => void)[] = [];
  #connections = 0;

  /**
   * Makes a broker without streams.
   *
   * @param clock what ack waits, delays and ages are measured with; the system's unless given
   *
   * @example Deliveries again, without waiting for them
   * ```ts
   * import { createMemoryTransport, ManualClock, MemoryBroker } from "@aegis/sdk/testing";
   *
   * const clock = new ManualClock();
   * const transport = createMemoryTransport(new MemoryBroker(clock));
   * // … what is not acknowledged within 30 s is delivered again
   * clock.advance(30_000);
   * await transport.close();
   * ```
   */
  constructor(clock: BrokerClock = SYSTEM_CLOCK) {
    this.#bank = new StreamBank(clock, (task) => this.post(task));
  }

  /** Counts a connection: without one, the broker holds no timers. What it returns ends that. */
  connect(): () => void {
    if (this.#connections++ === 0) this.#bank.start();
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      if (--this.#connections === 0) this.#bank.stop();
    };
  }

  /** Adds a subscription; what is published from now on reaches it. */
  add(interest: Interest): void {
    const { pattern } = interest;
    if (isWild(pattern)) this.#wild.set(interest, pattern.split("."));
    else {
      const set = this.#exact.get(pattern) ?? new Set();
      this.#exact.set(pattern, set.add(interest));
    }
  }

  /** Takes a subscription away. What was routed to it is still delivered, unless it refuses. */
  remove(interest: Interest): void {
    this.#wild.delete(interest);
    const set = this.#exact.get(interest.pattern);
    if (set?.delete(interest) && set.size === 0) this.#exact.delete(interest.pattern);
  }

  /**
   * Routes a message to everyone who listens, and to one of each queue group, and stores it. Gives what its stream says
   * of it, or why that refused it; undefined where no stream stores it.
   */
  publish(message: MemoryMessage): PublishAck | Error | undefined {
    const groups = new Map<string, Interest[]>();
    let reached = false;
    for (const interest of this.#matches(message.subject)) {
      reached = true;
      if (interest.queue === undefined) this.post(() => interest.deliver(message));
      else {
        const group = groups.get(interest.queue);
        if (group === undefined) groups.set(interest.queue, [interest]);
        else group.push(interest);
      }
    }
    for (const group of groups.values()) {
      const chosen = group[Math.floor(Math.random() * group.length)]!;
      this.post(() => chosen.deliver(message));
    }
    const said = this.#bank.store(message);
    if (said !== undefined || reached || !message.reply) return said;
    if (message.subject.startsWith(DELETE)) this.#delete(message.subject, message.reply);
    else this.#answer(message.reply, "", 503);
    return undefined;
  }

  /** Resolves when everything that was routed before has been delivered. */
  flush(): Promise<void> {
    return new Promise((resolve) => this.post(resolve));
  }

  /** Runs something after everything that was routed before. */
  post(task: () => void): void {
    this.#queue.push(task);
    if (this.#queue.length === 1) this.#turn.request();
  }

  #delete(subject: string, reply: string): void {
    const success = this.#bank.delete(subject.slice(DELETE.length));
    const error = { code: 404, err_code: 10059, description: "stream not found" };
    this.#answer(reply, JSON.stringify(success ? { success } : { error }));
  }

  #answer(subject: string, body: string, status?: number): void {
    const data = new TextEncoder().encode(body);
    this.publish({ subject, reply: undefined, data, headers: undefined, status });
  }

  *#matches(subject: string): Iterable<Interest> {
    yield* this.#exact.get(subject) ?? [];
    if (this.#wild.size === 0) return;
    const tokens = subject.split(".");
    for (const [interest, pattern] of this.#wild) if (matches(pattern, tokens)) yield interest;
  }

  /** Delivers in order. What deliveries cause is delivered later, and after a while not before timers have had their turn. */
  #drain(): void {
    const tasks = this.#queue;
    this.#queue = [];
    for (const task of tasks) task();
  }
}
