// What the contract of streams shares: a stage with streams of its own, what is taken from them, and waiting.

import type { Clock } from "../ports/clock.ts";
import type { Messaging } from "../ports/messaging.ts";
import type {
  ConsumerConfig,
  ConsumerState,
  Delivery,
  PublishAck,
  Pull,
  StreamConfig,
  Streams,
  StreamState,
} from "../ports/stream.ts";
import type { Transport } from "../ports/transport.ts";
import { type Case, equal, holds, text } from "./contract_tools.ts";

/** How long anything may take that must happen: much, since servers look at many things once a second or less often. */
const PATIENCE_MS = 15_000;
/** How long nothing must happen that could happen at once. */
const QUIET_MS = 150;
/** How long a publish may take. */
const PUBLISH_MS = 10_000;

/** A case that needs a clock. Rules about time are shown on the time of the broker, so it has to be the system's. */
export type TimedCase = (clock: Clock) => Case;

/** What was taken from a consumer. */
export interface Taken {
  readonly pull: Pull;
  /** What was delivered, in order. */
  readonly got: Delivery[];
  /** The bodies, as they were when they were delivered. */
  readonly bodies: string[];
  /** How often the consumer was said to be gone. */
  readonly gone: () => number;
}

/** Makes a case on two connections, which are closed after it, as its streams are removed. */
export function staged(name: string, check: (stage: Stage) => Promise<void>): TimedCase {
  return (clock) => ({
    name,
    async run(open) {
      const first = await open();
      try {
        const second = await open();
        const stage = new Stage(first, second, clock);
        try {
          await check(stage);
        } finally {
          await stage.clear();
          await second.close();
        }
      } finally {
        await first.close();
      }
    },
  });
}

/** What a case runs on: two connections, and names that no other case uses. */
export class Stage {
  readonly first: Transport;
  readonly second: Transport;
  readonly clock: Clock;
  /** Streams over the first connection. */
  readonly a: Streams;
  /** Streams over the second one. */
  readonly b: Streams;
  /** Of the stream, and the beginning of other streams' names. */
  readonly name: string;
  /** What the subjects of the stream begin with. */
  readonly subject: string;
  readonly #made = new Set<string>();

  constructor(first: Transport, second: Transport, clock: Clock) {
    this.first = first;
    this.second = second;
    this.clock = clock;
    this.a = streamsOf(first);
    this.b = streamsOf(second);
    const own = first.messaging.inbox.replaceAll(/[^a-zA-Z0-9]/g, "_");
    this.name = `contract${own}`;
    this.subject = `contract.stream.${own}`;
  }

  /** Settings of a stream on all subjects of the case; it is removed after the case if it is made. */
  config(settings: Partial<StreamConfig> = {}): StreamConfig {
    const name = settings.name ?? this.name;
    this.#made.add(name);
    return {
      name,
      description: "made by a contract",
      subjects: [`${this.subject}.>`],
      retention: "limits",
      storage: "memory",
      replicas: 1,
      discard: "old",
      maxAgeMs: 0,
      maxMessages: 0,
      maxMessagesPerSubject: 0,
      maxBytes: 0,
      maxMessageBytes: 0,
      duplicateWindowMs: 60_000,
      bucket: false,
      schedules: false,
      messageTtl: false,
      direct: true,
      ...settings,
    };
  }

  /** Makes a stream. */
  async stream(settings: Partial<StreamConfig> = {}): Promise<void> {
    await this.a.admin.createStream(this.config(settings));
  }

  /** Settings of a consumer of all subjects of the case, from the first message on. */
  consumerConfig(settings: Partial<ConsumerConfig> = {}): ConsumerConfig {
    return {
      name: "c1",
      description: "made by a contract",
      filter: `${this.subject}.>`,
      from: "all",
      ackWaitMs: 30_000,
      maxAckPending: 1_000,
      inactiveThresholdMs: 0,
      ...settings,
    };
  }

  /** Makes a consumer. */
  async consumer(settings: Partial<ConsumerConfig> = {}): Promise<void> {
    await this.a.admin.putConsumer(this.name, this.consumerConfig(settings));
  }

  /** Publishes to a subject of the case. */
  put(
    token: string,
    body: string | Uint8Array = token,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<PublishAck> {
    return this.a.store.publish(`${this.subject}.${token}`, body, headers, PUBLISH_MS);
  }

  /** Publishes some messages at once, whose bodies are numbers from `first` on. */
  async putNumbers(count: number, first = 0): Promise<void> {
    const bodies = Array.from({ length: count }, (_, i) => String(first + i));
    await Promise.all(bodies.map((body) => this.put("n", body)));
  }

  /** The stream as it is. */
  async state(): Promise<StreamState> {
    const state = await this.a.admin.stream(this.name);
    if (state === undefined) throw new Error(`There is no stream ${this.name}`);
    return state;
  }

  /** A consumer as it is. */
  async place(name = "c1"): Promise<ConsumerState> {
    const state = await this.a.admin.consumer(this.name, name);
    if (state === undefined) throw new Error(`There is no consumer ${name}`);
    return state;
  }

  /** Opens a consumer, and asks for some deliveries; `onDelivery` is called after a delivery was noted. */
  take(
    ask: number,
    onDelivery: (delivery: Delivery, taken: Taken) => void = () => {},
    { from = this.a, consumer = "c1" }: { from?: Streams; consumer?: string } = {},
  ): Taken {
    let gone = 0;
    const got: Delivery[] = [];
    const bodies: string[] = [];
    const pull = from.store.pull(this.name, consumer, {
      onDelivery(delivery) {
        got.push(delivery);
        bodies.push(text(delivery.message));
        onDelivery(delivery, taken);
      },
      onGone: () => void gone++,
      onHealth() {},
    });
    const taken: Taken = { pull, got, bodies, gone: () => gone };
    if (ask > 0) pull.ask(ask);
    return taken;
  }

  /** Waits until `met`. */
  async until(what: string, met: () => boolean | Promise<boolean>): Promise<void> {
    const end = this.clock.monotonic() + PATIENCE_MS;
    while (this.clock.monotonic() < end) {
      await this.roundTrip();
      if (await met()) return;
      await this.pause(5);
    }
    throw new Error(`Not within ${PATIENCE_MS} ms: ${what}`);
  }

  /** Waits until so many were delivered, and a moment longer, and says what they are. */
  async bodies(taken: Taken, count: number): Promise<readonly string[]> {
    await this.until(
      `${count} deliveries, there were ${taken.bodies.length}`,
      () => taken.bodies.length >= count,
    );
    await this.quiet();
    holds(taken.bodies.length === count, `${taken.bodies.length} deliveries, and not ${count}`);
    return taken.bodies;
  }

  /** Waits for what must not happen. */
  async quiet(ms: number = QUIET_MS): Promise<void> {
    await this.roundTrip();
    await this.pause(ms);
    await this.roundTrip();
  }

  /** Waits. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.clock.setTimer(ms, resolve));
  }

  /** A round trip of each connection that is open. */
  async roundTrip(): Promise<void> {
    for (const { status, messaging } of [this.first, this.second]) {
      if (status === "connected") await messaging.flush();
    }
  }

  /** Removes a stream; the port has no word for that, so it is asked for in the words of a NATS server. */
  async remove(name: string): Promise<void> {
    const messaging: Messaging | undefined = [this.second, this.first].find(({ status }) =>
      status === "connected"
    )?.messaging;
    if (messaging === undefined) return;
    let answered = false;
    const subject = `${messaging.inbox}.removed`;
    const answers = messaging.subscribe(subject, { onMessage: () => void (answered = true) });
    await messaging.flush();
    messaging.publish(`$JS.API.STREAM.DELETE.${name}`, "", subject);
    await this.until(`the stream ${name} is removed`, () => answered);
    await answers.drain();
  }

  /** Removes every stream. */
  async clear(): Promise<void> {
    for (const name of this.#made) await this.remove(name);
  }
}

/** Throws unless every member of `expected` is there. */
export function includes<T extends object>(actual: T, expected: Partial<T>, what: string): void {
  for (const key of Object.keys(expected) as (keyof T)[]) {
    equal(actual[key], expected[key], `${what}, ${String(key)}`);
  }
}

function streamsOf(transport: Transport): Streams {
  if (transport.streams === undefined) throw new Error("This transport has no streams");
  return transport.streams;
}
