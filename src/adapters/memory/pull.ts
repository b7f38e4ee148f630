// Deliveries of one consumer of the embedded broker to one connection, over outages.

import { ClosedError, UnavailableError } from "../../domain/error.ts";
import type { Timer } from "../../ports/clock.ts";
import type { Delivery, Pull, PullOptions } from "../../ports/stream.ts";
import type { MemoryMessage } from "./broker.ts";
import type { MemoryConsumer, Taker, Unacked } from "./consumer.ts";

/** What a pull needs of its connection. */
export interface PullLink {
  /** Whether the broker is there. */
  readonly isHere: () => boolean;
  /** How often the connection was cut. */
  readonly cuts: () => number;
  /** The consumer, if it is there. */
  readonly find: () => MemoryConsumer | undefined;
  /** Runs something in the broker's next turn. */
  readonly post: (task: () => void) => void;
  /** Runs something later. */
  readonly setTimer: (delayMs: number, callback: () => void) => Timer;
  /** Logs what a listener threw. */
  readonly failed: (error: unknown) => void;
}

/** Asks one consumer, and asks again after an outage. */
export class MemoryPull implements Pull, Taker {
  readonly #link: PullLink;
  readonly #options: PullOptions;
  #consumer: MemoryConsumer | undefined;
  #asked = 0;
  #closed = false;
  /** Whether the connection is over. */
  #over = false;
  #goneDue = false;
  #unwell = false;
  /** What was said of deliveries while the broker was away. */
  #unsaid: (() => void)[] = [];
  #waiting: (() => void)[] = [];

  /** Makes one that asks for nothing yet. */
  constructor(link: PullLink, options: PullOptions) {
    this.#link = link;
    this.#options = options;
  }

  get asked(): number {
    return this.#asked;
  }

  ask(count: number): void {
    if (this.#closed || count <= 0) return;
    this.#asked += count;
    if (this.#link.isHere()) this.#askBroker();
  }

  close(): Promise<void> {
    this.#leave();
    this.#closed = true;
    this.#asked = 0;
    // Nothing is on its way: the broker hands over what it delivers.
    return Promise.resolve();
  }

  settled(withinMs: number): Promise<void> {
    if (this.#unsaid.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#link.setTimer(withinMs, resolve);
      this.#waiting.push(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  take(unacked: Unacked): void {
    this.#asked--;
    const delivery = new MemoryDelivery(unacked, this);
    this.#tell(() => this.#options.onDelivery(delivery));
  }

  gone(): void {
    if (this.#goneDue) return;
    this.#goneDue = true;
    this.#link.post(() => {
      this.#goneDue = false;
      // After an outage that has come in between it is looked for again.
      if (this.#closed || !this.#link.isHere()) return;
      this.#leave();
      this.#asked = 0;
      this.#tell(() => this.#options.onGone());
    });
  }

  /** Whether the broker is there. */
  get isHere(): boolean {
    return this.#link.isHere();
  }

  /** Says something to the broker, now or when it is back. */
  say(what: () => void): void {
    if (this.isHere) what();
    else if (!this.#over) this.#unsaid.push(what);
  }

  /** Says that something is in work, to whichever consumer has the name now, as on a server; false when there is none. */
  working(unacked: Unacked): boolean {
    if (unacked.consumer.working(unacked)) return true;
    const heard = this.#link.find()?.workingOn(unacked.stored.sequence) ?? false;
    if (!heard) this.gone();
    return heard;
  }

  /** Calls back what waits for the broker's word, in its next turn; not when the connection was cut meanwhile. */
  answer(onHeard: () => void): void {
    const cuts = this.#link.cuts();
    this.#link.post(() => {
      if (this.isHere && this.#link.cuts() === cuts) this.#tell(onHeard);
    });
  }

  /** The broker is away. */
  cut(): void {
    this.#leave();
    if (this.#asked === 0) return;
    this.#unwell = true;
    const error = new UnavailableError("Cannot get deliveries: the bus is away and reconnecting");
    this.#tell(() => this.#options.onHealth(error));
  }

  /** It is back. It hears first what was said, so that nothing is delivered which has its word. */
  mend(): void {
    for (const say of this.#unsaid.splice(0)) say();
    for (const resolve of this.#waiting.splice(0)) resolve();
    if (this.#asked > 0) this.#askBroker();
    if (!this.#unwell) return;
    this.#unwell = false;
    this.#tell(() => this.#options.onHealth(undefined));
  }

  /** The connection is over. */
  end(): void {
    const closed = this.#closed;
    void this.close();
    this.#over = true;
    this.#unsaid.length = 0;
    for (const resolve of this.#waiting.splice(0)) resolve();
    if (closed) return;
    const error = new ClosedError("Cannot get deliveries: the bus is closed");
    this.#tell(() => this.#options.onHealth(error));
  }

  #askBroker(): void {
    const consumer = this.#link.find();
    if (consumer === undefined) return this.gone();
    this.#consumer = consumer;
    consumer.ask(this);
  }

  #leave(): void {
    this.#consumer?.drop(this);
    this.#consumer = undefined;
  }

  #tell(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#link.failed(error);
    }
  }
}

/** One delivery, of which the first word counts. */
class MemoryDelivery implements Delivery {
  readonly message: MemoryMessage;
  readonly sequence: number;
  readonly attempt: number;
  readonly storedAt: number;
  readonly pending: number;
  readonly #unacked: Unacked;
  readonly #pull: MemoryPull;
  #settled = false;

  constructor(unacked: Unacked, pull: MemoryPull) {
    const { message, sequence, storedAt } = unacked.stored;
    // What becomes of these bytes changes nothing that is stored.
    this.message = { ...message, reply: undefined, data: message.data.slice() };
    this.sequence = sequence;
    this.attempt = unacked.attempt;
    this.storedAt = storedAt;
    this.pending = unacked.consumer.pending;
    this.#unacked = unacked;
    this.#pull = pull;
  }

  ack(): void {
    this.#settle(() => this.#unacked.consumer.done(this.#unacked));
  }

  nak(delayMs: number): void {
    this.#settle(() => this.#unacked.consumer.nak(this.#unacked, delayMs));
  }

  term(): void {
    this.ack();
  }

  giveBack(delayMs: number): void {
    if (this.#pull.isHere) return this.nak(delayMs);
    this.#settled = true;
  }

  working(onHeard?: () => void): void {
    if (this.#settled || !this.#pull.isHere) return;
    const heard = this.#pull.working(this.#unacked);
    if (heard && onHeard !== undefined) this.#pull.answer(onHeard);
  }

  #settle(say: () => void): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#pull.say(say);
  }
}
