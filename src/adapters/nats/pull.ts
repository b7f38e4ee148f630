// Deliveries of one consumer, as many as were asked for, over outages of every kind.

import { UnavailableError } from "../../domain/error.ts";
import type { Pull, PullOptions } from "../../ports/stream.ts";
import { AckSubjects } from "./ack_subject.ts";
import { Acks } from "./acks.ts";
import { ConsumerLook, type Found } from "./consumer_look.ts";
import { NatsDelivery } from "./delivery.ts";
import type { NatsMessage } from "./message.ts";
import { pause } from "./pause.ts";
import { PullChannel, type PullLimits } from "./pull_channel.ts";
import { PullHealth } from "./pull_health.ts";
import type { Enlisted, PullParts } from "./pull_parts.ts";

/** For how long one request for messages waits, in milliseconds. */
const EXPIRES_MS = 30_000;
/** How long a channel that is of no use any more may take to hand over what was sent to it, in milliseconds. */
const DRAIN_MS = 2_000;
/** How long to wait before the next channel when one was of no use, and how long at most, in milliseconds. */
const [FIRST_WAIT_MS, LAST_WAIT_MS] = [50, 2_000];

/** The deliveries of one consumer. */
export class NatsPull implements Pull, Enlisted {
  readonly #parts: PullParts;
  readonly #options: PullOptions;
  readonly #health: PullHealth;
  readonly #nextSubject: string;
  readonly #forgetEnded: () => Promise<unknown> | undefined;
  readonly #acks: Acks;
  readonly #look: ConsumerLook;
  readonly #subjects = new AckSubjects();
  readonly #limits: PullLimits = { batch: Infinity, expiresMs: EXPIRES_MS };
  #asked = 0;
  #filling = false;
  #channel: PullChannel | undefined;
  /** Whether a channel is being opened, and whether that has to begin anew when it is done. */
  #opening = false;
  #openAgain = false;
  /** How many channels in a row were of no use. */
  #useless = 0;
  #draining: Promise<unknown> | undefined;
  #closing: Promise<void> | undefined;
  #closed = false;
  /** What waits until it is known whether the consumer is the one that it was. */
  #held: NatsDelivery[] = [];

  constructor(parts: PullParts, stream: string, consumer: string, options: PullOptions) {
    this.#parts = parts;
    this.#options = options;
    const what = `take messages of the consumer ${consumer} of the stream ${stream}`;
    this.#health = new PullHealth(what, options, parts.failed);
    this.#nextSubject = `${parts.api.prefix}.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
    this.#forgetEnded = () => parts.forgetEnded(stream, consumer);
    this.#look = new ConsumerLook({
      api: parts.api,
      stream,
      consumer,
      clustered: parts.clustered,
      goOn: () => parts.messaging.connected && !this.#isDone(),
      onTrouble: (error) => {
        if (this.#asked > 0) this.#health.ill(error); // else nothing is missed
      },
      onFound: (found) => this.#found(found),
    });
    this.#acks = new Acks({
      ...parts,
      onDoubt: () => void this.#look.look(),
      onRefused: (error) => this.#health.ill(error),
      onPending: () => this.#enlist(),
    });
    this.#enlist();
  }

  get asked(): number {
    return this.#asked;
  }

  ask(count: number): void {
    if (this.#closing !== undefined || this.#closed) return;
    this.#asked += count;
    this.#fillSoon();
  }

  close(withinMs: number = Infinity): Promise<void> {
    return this.#closing ??= this.#close(withinMs);
  }

  settled(withinMs: number): Promise<void> {
    return this.#acks.settled(withinMs);
  }

  /** The bus is there again. */
  returned(): void {
    this.#useless = 0;
    this.#drop();
    // A message that is to come later would be sent at once to whoever asks before that is said.
    this.#draining = Promise.all([this.#draining, this.#acks.hold(this.#forgetEnded())]);
    this.#acks.repeat();
    this.#fillSoon();
  }

  /** The bus went away, or is closed for good. */
  ended(why: "broken" | "closed"): void {
    this.#drop();
    this.#held = [];
    if (why === "broken") {
      this.#acks.away();
      if (this.#asked > 0) this.#health.away();
      return;
    }
    this.#closed = true;
    this.#asked = 0;
    this.#acks.forget();
    this.#enlist();
    this.#health.closed();
  }

  /** This user may not publish to a subject. */
  refused(subject: string, error: Error): void {
    if (subject === this.#nextSubject) this.#health.ill(error);
  }

  #receive(message: NatsMessage, subject: string, channel: PullChannel): void {
    const fields = this.#subjects.read(subject);
    if (fields === undefined || this.#closed) return;
    const delivery = new NatsDelivery(message, subject, fields, this.#acks);
    if (this.#held.length > 0 || this.#acks.isDoubtful) this.#hold(delivery);
    else if (this.#acks.has(delivery)) this.#again(delivery);
    // By its first attempt too: a server of 2.9 that had it in line to come again counts anew after a nak.
    else if (!this.#acks.isEarly(delivery, subject)) this.#deliver(delivery);
    // What is asked for while there is still much to come waits a little, so that it goes out as one request.
    if (this.#asked - channel.sent >= channel.sent) this.#fillSoon();
  }

  #deliver(delivery: NatsDelivery): void {
    if (this.#asked > 0) this.#asked--;
    delivery.handOver();
    try {
      this.#options.onDelivery(delivery);
    } catch (error) {
      this.#parts.failed("What takes deliveries", error);
    }
  }

  /** A message that was acknowledged here comes again. */
  #again(delivery: NatsDelivery): void {
    if (delivery.attempt > 1) {
      delivery.ack();
      return;
    }
    // Its server has forgotten, or another server never heard, that it was delivered. Or this is another consumer of that
    // name, which was made to deliver everything anew.
    this.#hold(delivery);
  }

  #hold(delivery: NatsDelivery): void {
    this.#held.push(delivery);
    void this.#look.look();
  }

  #found(found: Found): void {
    if (found === "gone") return this.#gone();
    // Where there was no reason for doubt, it may have delivered some of what is in hand.
    if (found === "other") this.#acks.forget(!this.#acks.isDoubtful);
    else this.#acks.trust();
    for (const delivery of this.#held.splice(0)) {
      if (this.#acks.has(delivery)) delivery.ack();
      else if (!this.#acks.isEarly(delivery, delivery.subject)) this.#deliver(delivery);
    }
    // In place of those that were not handed over others are wanted.
    this.#fillSoon();
  }

  #fillSoon(): void {
    if (this.#filling) return;
    this.#filling = true;
    queueMicrotask(() => {
      this.#filling = false;
      this.#fill();
    });
  }

  /** Sends a request for what was asked for and is not sent, if that is worth one. */
  #fill(): void {
    const channel = this.#channel;
    if (this.#closing !== undefined || this.#asked === 0) return;
    if (channel === undefined) {
      void this.#open();
      return;
    }
    const sent = Math.max(0, channel.sent);
    const wanted = this.#asked - sent - this.#held.length;
    if (wanted <= 0 || wanted < sent) return;
    try {
      channel.request(wanted);
    } catch (error) {
      // Away: when the bus is back all of it is sent.
      if (!UnavailableError.is(error)) this.#health.ill(error as Error);
    }
  }

  async #open(): Promise<void> {
    this.#openAgain = this.#opening;
    if (this.#opening) return;
    this.#opening = true;
    try {
      await this.#draining;
      if (this.#useless > 0) {
        await pause(Math.min(LAST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#useless - 1)));
      }
      const found = await this.#look.look();
      const isThere = found === "same" || found === "other";
      if (isThere && this.#closing === undefined && !this.#closed) this.#openChannel();
    } catch (error) {
      this.#health.ill(error as Error);
    } finally {
      this.#opening = false;
      if (this.#openAgain) this.#fillSoon();
    }
  }

  #openChannel(): void {
    const { messaging, inbox } = this.#parts;
    const channel: PullChannel = new PullChannel({
      messaging,
      inbox: inbox(),
      nextSubject: this.#nextSubject,
      limits: this.#limits,
      onMessage: (message, subject) => this.#receive(message, subject, channel),
      onAlive: () => this.#lives(channel),
      onOver: () => this.#fillSoon(),
      onDeleted: () => {
        this.#look.deleted();
        this.#acks.doubt();
      },
      onVoid: (error) => this.#voided(channel, error),
      onLimit: ({ kind: _kind, ...less }) => void Object.assign(this.#limits, less),
    });
    this.#channel = channel;
    this.#fill();
    // That nobody serves the consumer, or that it may not be asked, the server says before this is answered.
    messaging.flush().then(() => {
      if (this.#useless === 0) this.#lives(channel);
    }, () => {
      // The bus went away, which everybody is told.
    });
  }

  #lives(channel: PullChannel): void {
    if (this.#channel !== channel) return;
    this.#useless = 0;
    this.#health.well();
  }

  #voided(channel: PullChannel, error: Error | undefined): void {
    if (this.#channel !== channel) return;
    this.#drop();
    this.#useless++;
    // Once it may be that another server serves the consumer from now on.
    if (error !== undefined || this.#useless > 1) this.#health.unserved(error);
    this.#fillSoon();
  }

  #drop(): void {
    if (this.#channel !== undefined) this.#draining = this.#channel.drain(DRAIN_MS);
    this.#channel = undefined;
  }

  #gone(): void {
    this.#drop();
    this.#held = [];
    this.#useless = 0;
    this.#asked = 0;
    this.#acks.forget();
    if (this.#closing === undefined && !this.#closed) this.#health.gone();
  }

  async #close(withinMs: number): Promise<void> {
    this.#asked = 0;
    const ended = this.#channel === undefined ? this.#draining : this.#channel.close(withinMs);
    void this.#acks.hold(ended?.then(this.#forgetEnded));
    await ended;
    this.#channel = undefined;
    this.#closed = true;
    this.#enlist();
  }

  /** Whether nothing depends on this any more. */
  #isDone(): boolean {
    return this.#closed && this.#acks.size === 0;
  }

  /** Is told of outages as long as anything depends on it. */
  #enlist(): void {
    if (this.#isDone()) this.#parts.enlisted.delete(this);
    else this.#parts.enlisted.add(this);
  }
}
