// A consumer of the embedded broker: its place in a stream, and what was delivered and has no acknowledgement.

import type { ConsumerConfig, ConsumerState } from "../../ports/stream.ts";
import type { Alarm, Alarms } from "./alarms.ts";
import { beginning } from "./beginning.ts";
import { matcher } from "./pattern.ts";
import { Queue } from "./queue.ts";
import type { MemoryStream } from "./stream.ts";
import type { Stored } from "./stream_log.ts";

/** How many deliveries follow one another before something else has its turn. */
const BATCH = 64;

/** Somebody who asks a consumer for deliveries. */
export interface Taker {
  /** How many it has asked for that have not come. */
  readonly asked: number;
  /** Takes one. */
  take(unacked: Unacked): void;
  /** Hears that the consumer is not there any more. */
  gone(): void;
}

/** What a consumer needs of the broker. */
export interface Surroundings {
  /** Runs something in the broker's next turn. */
  readonly post: (task: () => void) => void;
  /** Ack waits and delays. */
  readonly alarms: Alarms;
  /** What must keep no process alive. */
  readonly background: Alarms;
  /** The time that alarms go by. */
  readonly monotonic: () => number;
}

/** A message that was delivered and has no acknowledgement. */
export class Unacked implements Alarm {
  expiresAt = 0;
  wheelPrevious: Alarm["wheelPrevious"] = undefined;
  wheelNext: Alarm["wheelNext"] = undefined;
  readonly stored: Stored;
  readonly consumer: MemoryConsumer;
  /** How often it has been delivered. */
  attempt = 0;
  /** Whether it is to be delivered again, as soon as somebody asks. */
  again = false;

  constructor(stored: Stored, consumer: MemoryConsumer) {
    this.stored = stored;
    this.consumer = consumer;
  }

  ring(): void {
    this.consumer.deliverAgain(this);
  }
}

/** Delivers to whoever asks, in turn, and again what has no acknowledgement. */
export class MemoryConsumer {
  #config: ConsumerConfig;
  #fits: (subject: string) => boolean;
  readonly #stream: MemoryStream;
  readonly #around: Surroundings;
  readonly #takers = new Set<Taker>();
  /** By sequence, in the order of sequences. */
  readonly #unacked = new Map<number, Unacked>();
  readonly #inactive: Alarm;
  readonly #again = new Queue<Unacked>();
  /** The sequence from which on nothing was delivered. */
  #next: number;
  /** How many messages there are from there on. */
  #pending: number;
  #posted = false;
  #ended = false;

  /** Makes one; `onInactive` is called when nobody has pulled it for too long. */
  constructor(
    config: ConsumerConfig,
    stream: MemoryStream,
    around: Surroundings,
    onInactive: () => void,
  ) {
    this.#config = config;
    this.#fits = matcher(config.filter);
    this.#stream = stream;
    this.#around = around;
    this.#next = beginning(config, stream);
    this.#pending = this.#count();
    this.#inactive = {
      expiresAt: 0,
      wheelPrevious: undefined,
      wheelNext: undefined,
      ring: () => {
        const left = this.#inactiveIn();
        if (left > 0) around.background.set(this.#inactive, left);
        else onInactive();
      },
    };
    this.#watchInactivity();
  }

  /** As it is. */
  get state(): ConsumerState {
    const oldest = this.#unacked.keys().next().value ?? this.#next;
    return {
      config: this.#config,
      pending: this.pending,
      ackPending: this.#unacked.size,
      ackFloor: oldest - 1,
      waiting: this.#takers.size,
    };
  }

  /** How many messages it has still to deliver for the first time. */
  get pending(): number {
    return this.#pending;
  }

  /** Changes its settings. */
  update(config: ConsumerConfig): void {
    this.#config = config;
    this.#fits = matcher(config.filter);
    this.#pending = this.#count();
    this.#around.background.clear(this.#inactive);
    this.#watchInactivity();
    this.wake();
  }

  /** Delivers to a taker what it has asked for, whenever there is something. */
  ask(taker: Taker): void {
    this.#takers.add(taker);
    this.#around.background.clear(this.#inactive);
    this.wake();
  }

  /** Delivers nothing more to a taker. */
  drop(taker: Taker): void {
    if (this.#takers.delete(taker)) this.#watchInactivity();
  }

  /** Looks in the broker's next turn whether there is something to deliver. */
  wake(): void {
    if (this.#posted || this.#takers.size === 0) return;
    this.#posted = true;
    this.#around.post(this.#pump);
  }

  /** Hears that a message was stored. */
  stored({ sequence, message }: Stored): void {
    if (sequence < this.#next || !this.#fits(message.subject)) return;
    this.#pending++;
    this.wake();
  }

  /** Hears that a message was removed from the stream. */
  forget({ sequence, message }: Stored): void {
    const unacked = this.#unacked.get(sequence);
    if (unacked !== undefined) this.#settle(unacked);
    else if (sequence >= this.#next && this.#fits(message.subject)) this.#pending--;
  }

  /** It is done: with an acknowledgement, or for good without one. */
  done(unacked: Unacked): void {
    if (!this.#settle(unacked)) return;
    this.#stream.done(unacked.stored.sequence);
  }

  /** Delivers it again, after a delay. */
  nak(unacked: Unacked, delayMs: number): void {
    if (!this.#isUnacked(unacked) || unacked.again) return;
    if (delayMs > 0) this.#around.alarms.set(unacked, delayMs);
    else this.deliverAgain(unacked);
  }

  /** Begins its ack wait anew. False when it is not there any more; as on a server, what is done or is elsewhere is no matter. */
  working(unacked: Unacked): boolean {
    if (this.#isUnacked(unacked) && !unacked.again) {
      this.#around.alarms.set(unacked, this.#config.ackWaitMs);
    }
    return !this.#ended;
  }

  /** The same, for what a consumer before this one has delivered. */
  workingOn(sequence: number): boolean {
    const unacked = this.#unacked.get(sequence);
    return unacked === undefined ? !this.#ended : this.working(unacked);
  }

  /** Delivers it again as soon as somebody asks. */
  deliverAgain(unacked: Unacked): void {
    this.#around.alarms.clear(unacked);
    unacked.again = true;
    this.#again.push(unacked);
    this.wake();
  }

  /** Ends it, and tells whoever has asked. */
  end(): void {
    this.#ended = true;
    this.#around.background.clear(this.#inactive);
    for (const unacked of this.#unacked.values()) this.#around.alarms.clear(unacked);
    this.#unacked.clear();
    const takers = [...this.#takers];
    this.#takers.clear();
    for (const taker of takers) taker.gone();
  }

  readonly #pump = (): void => {
    this.#posted = false;
    if (this.#ended) return;
    for (let count = 0; count < BATCH; count++) {
      const taker = this.#takers.values().next().value;
      if (taker === undefined) break;
      const unacked = this.#take();
      if (unacked === undefined) return;
      // The next one goes to the next taker. One that asks again while it takes comes back by itself.
      if (taker.asked === 1 || this.#takers.size > 1) this.#takers.delete(taker);
      if (taker.asked > 1) this.#takers.add(taker);
      unacked.attempt++;
      unacked.again = false;
      this.#around.alarms.set(unacked, this.#config.ackWaitMs);
      taker.take(unacked);
    }
    if (this.#takers.size === 0) this.#watchInactivity();
    this.wake();
  };

  /** The next message to deliver: again, or for the first time. */
  #take(): Unacked | undefined {
    for (;;) {
      const unacked = this.#again.shift();
      if (unacked === undefined) break;
      // It may have had its acknowledgement since.
      if (this.#isUnacked(unacked)) return unacked;
    }
    const { maxAckPending } = this.#config;
    if (maxAckPending > 0 && this.#unacked.size >= maxAckPending) return undefined;
    for (;;) {
      const stored = this.#stream.next(this.#next);
      if (stored === undefined) {
        // It may begin at one that is far ahead.
        this.#next = Math.max(this.#next, this.#stream.state.lastSequence + 1);
        return undefined;
      }
      this.#next = stored.sequence + 1;
      if (!this.#fits(stored.message.subject)) continue;
      this.#pending--;
      const unacked = new Unacked(stored, this);
      this.#unacked.set(stored.sequence, unacked);
      return unacked;
    }
  }

  #count(): number {
    let count = 0;
    const stream = this.#stream;
    for (let at = stream.next(this.#next); at !== undefined; at = stream.next(at.sequence + 1)) {
      if (this.#fits(at.message.subject)) count++;
    }
    return count;
  }

  #isUnacked(unacked: Unacked): boolean {
    return this.#unacked.get(unacked.stored.sequence) === unacked;
  }

  #settle(unacked: Unacked): boolean {
    if (!this.#isUnacked(unacked)) return false;
    this.#unacked.delete(unacked.stored.sequence);
    this.#around.alarms.clear(unacked);
    // There may be room under maxAckPending.
    this.wake();
    return true;
  }

  #watchInactivity(): void {
    const { inactiveThresholdMs } = this.#config;
    if (inactiveThresholdMs > 0 && this.#takers.size === 0 && !this.#ended) {
      this.#around.background.set(this.#inactive, inactiveThresholdMs);
    }
  }

  /** In how many milliseconds nobody will have pulled it for too long: what was delivered may be in work until its ack wait ends. */
  #inactiveIn(): number {
    let last = -Infinity;
    for (const { expiresAt } of this.#unacked.values()) last = Math.max(last, expiresAt);
    return last + this.#config.inactiveThresholdMs - this.#around.monotonic();
  }
}
