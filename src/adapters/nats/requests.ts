// Requests: messages that get one answer each, over one inbox and one timer for all of a connection.

import { type Expiring, TimerWheel, WHEEL_TICK_MS } from "../../domain/timer_wheel.ts";
import type { Messaging, Subscription } from "../../ports/messaging.ts";
import type { NatsMessage } from "./message.ts";

/** Why there is no answer: its time was over, the connection broke or was closed, or the server refused the request. */
export type Unanswered = "timeout" | "broken" | "closed" | "refused";

/** Who waits for an answer. It carries its own links, so that waiting allocates nothing more. */
export interface Waiter extends Expiring {
  /** The subject of its request. */
  readonly subject: string;
  /** The number of its reply subject; set while it waits. */
  slot: number;
  /** Called with the answer, which may be the server's word that nobody listens. */
  answered(message: NatsMessage): void;
  /** Called when there will be none. */
  failed(why: Unanswered, error: Error | undefined): void;
}

/** For how long at least the slot of a request without an answer is not used again, in milliseconds. */
const REST_MS = 30_000;
/** How many requests are worth a write of their own. */
const LEAST_GROUP = 32;

/** The requests of one connection. */
export class Requests {
  readonly #messaging: Messaging;
  readonly #prefix: string;
  // By slot. No Map: under constant coming and going each of its tables keeps the next alive until a full collection.
  readonly #waiting: (Waiter | undefined)[] = [];
  readonly #wheel: TimerWheel<Waiter>;
  // Reply subjects are used again: the server keeps routes of the last few hundred subjects at hand. The slot of a
  // request that got no answer rests first, so that a late one does not end another request.
  readonly #free: number[] = [];
  #resting: number[] = [];
  #rested: number[] = [];
  #restingSince = 0;
  #slots = 0;
  #armed = false;
  // Requests that follow from the answers of one read would all go out in one write, and the two sides would take turns.
  #unsent = 0;
  #group = LEAST_GROUP;
  #inbox: Subscription | undefined;
  #inboxError: Error | undefined;

  /** Makes the requests over `messaging`, whose answers come to subjects under `prefix`, which ends with a dot. */
  constructor(messaging: Messaging, prefix: string) {
    this.#messaging = messaging;
    this.#prefix = prefix;
    this.#wheel = new TimerWheel(performance.now());
    messaging.onRefused?.((subject, error) => {
      for (const waiter of this.#wheel.entries()) {
        if (waiter.subject === subject) this.#fail(waiter, "refused", error);
      }
    });
  }

  /**
   * Sends a request. Of `waiter` the member `expiresAt` says until when it waits.
   *
   * @throws what {@linkcode Messaging.publish} throws: then nothing was sent, and nothing is called.
   */
  send(
    waiter: Waiter,
    body: string | Uint8Array,
    headers?: Readonly<Record<string, string>>,
  ): void {
    const slot = waiter.slot = this.#free.pop() ?? this.#slots++;
    try {
      // Where nothing can be sent that is said by whoever sends, and of this message.
      if (this.#messaging.connected) this.#open();
      this.#messaging.publish(waiter.subject, body, this.#prefix + slot, headers);
    } catch (error) {
      this.#free.push(slot);
      throw error;
    }
    this.#waiting[slot] = waiter;
    if (!this.#armed) {
      this.#advance();
      this.#arm();
    }
    this.#wheel.add(waiter);
    if (++this.#unsent >= this.#group) this.#push();
  }

  /** The connection is there again: what this user was not allowed to receive it may be now. */
  returned(): void {
    this.#inboxError = undefined;
  }

  /** The connection broke, or is closed for good: no answer comes any more. */
  ended(why: "broken" | "closed"): void {
    for (const waiter of this.#wheel.entries()) this.#fail(waiter, why, undefined);
  }

  #push(): void {
    this.#unsent = 0;
    this.#group = Math.max(LEAST_GROUP, this.#group * 0.9, this.#wheel.size / 2);
    this.#messaging.push?.();
  }

  #open(): void {
    if (this.#inboxError !== undefined) throw this.#inboxError;
    this.#inbox ??= this.#messaging.subscribe(`${this.#prefix}*`, {
      onMessage: (message) => this.#receive(message as NatsMessage),
      onError: (error) => {
        this.#inbox = undefined;
        this.#inboxError = error;
        for (const waiter of this.#wheel.entries()) this.#fail(waiter, "refused", error);
      },
    });
  }

  #receive(message: NatsMessage): void {
    const slot = Number(message.subject.slice(this.#prefix.length));
    const waiter = this.#waiting[slot];
    if (waiter === undefined) return;
    this.#waiting[slot] = undefined;
    this.#wheel.remove(waiter);
    this.#free.push(slot);
    waiter.answered(message);
  }

  #fail(waiter: Waiter, why: Unanswered, error: Error | undefined): void {
    // Who was told before may have ended it by now.
    if (this.#waiting[waiter.slot] !== waiter) return;
    this.#waiting[waiter.slot] = undefined;
    this.#wheel.remove(waiter);
    this.#rest(waiter.slot);
    waiter.failed(why, error);
  }

  #rest(slot: number): void {
    const now = performance.now();
    if (now - this.#restingSince >= REST_MS) {
      for (const rested of this.#rested) this.#free.push(rested);
      this.#rested = this.#resting;
      this.#resting = [];
      this.#restingSince = now;
    }
    this.#resting.push(slot);
  }

  #arm(): void {
    this.#armed = true;
    setTimeout(() => {
      try {
        // Still armed: what is sent meanwhile must not have others end before it is in the wheel itself.
        this.#advance();
      } finally {
        this.#armed = false;
        // One tick with nothing to do ends it: one request after another keeps one timer going.
        if (this.#wheel.size > 0) this.#arm();
      }
    }, WHEEL_TICK_MS);
  }

  #advance(): void {
    this.#wheel.advance(performance.now(), (waiter) => this.#fail(waiter, "timeout", undefined));
  }
}
