// Acknowledgements of one consumer: sent at once, remembered until the broker has them, and repeated if need be.

import { flatCopy } from "../../domain/flat.ts";
import { Acked } from "./acked.ts";
import type { AcksParts, Stored, Word } from "./acks_parts.ts";
import { Confirmation, type Confirming } from "./confirmation.ts";
import type { NatsMessage } from "./message.ts";
import { Naks } from "./naks.ts";
import { Progress } from "./progress.ts";
import type { Unanswered } from "./requests.ts";

/** How long the broker may take to confirm, in milliseconds: then everything that it has not confirmed is sent again. */
const CONFIRM_MS = 4_000;
/** How long after the last acknowledgement it is confirmed at the latest, in milliseconds. */
const TAIL_MS = 50;
/** How long to wait before what nobody took is sent again, in milliseconds. */
const AGAIN_MS = 500;
const MAX_TIMER_MS = 2 ** 31 - 1;
const WORKING = "+WPI";

/**
 * The acknowledgements of one consumer. What is written to a connection that breaks is lost, and a request for each one
 * costs twice as much. The broker handles those of one connection in their order, so one at a time is a request, the
 * marker: its answer confirms it and all before it.
 */
export class Acks implements Confirming {
  readonly #parts: AcksParts;
  readonly #acked = new Acked();
  /** When the latest of them was stored, in milliseconds since the epoch. */
  #latest = 0;
  /** What is confirmed when the marker is answered: it is the last of them. */
  #covered: Word[] = [];
  /** What was sent after the marker. */
  #open: Word[] = [];
  #marker: Confirmation | undefined;
  /** Whether something of what is open has not reached the broker for certain. */
  #lost = false;
  readonly #naks: Naks;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pending = false;
  #settling: (() => void)[] = [];
  /** After how many outages it was known to be the consumer that it was; -1 since the server has said that it is not. */
  #knownAfter: number;
  /** Whether the server has said that nobody takes what is said: then it may be another one. */
  #isUnheard = false;
  #era = 0;

  /** Makes the acknowledgements of one consumer. */
  constructor(parts: AcksParts) {
    this.#parts = parts;
    this.#knownAfter = parts.outages();
    this.#naks = new Naks({
      ...parts,
      mayTell: () => this.#mayTell(),
      onNobody: () => this.#nobody(),
      onBegun: () => this.#began(),
      onEnded: () => this.#ended(),
      onUnheard: (error) => {
        this.#arm(error === undefined ? AGAIN_MS : CONFIRM_MS);
        if (error !== undefined) parts.onRefused(error);
      },
    });
  }

  /** Which consumer of its name it is, from the first one on: what others have delivered is not acknowledged to it. */
  get era(): number {
    return this.#era;
  }

  /** Whether the consumer may be another one than that which has delivered what is in hand. */
  get isDoubtful(): boolean {
    return this.#isUnheard || this.#inDoubt;
  }

  /** How many the broker has not confirmed. */
  get size(): number {
    return this.#covered.length + this.#open.length + this.#naks.size;
  }

  /** It is done, or never to be done: `body` says which. */
  ack(sequence: number, subject: string, body: string, storedAt: number): void {
    this.#acked.add(sequence, this.#covered.length + this.#open.length);
    if (storedAt > this.#latest) this.#latest = storedAt;
    const word = { sequence, subject, body };
    this.#open.push(word);
    this.#began();
    if (!this.#mayTell()) {
      word.subject = flatCopy(subject);
      this.#lost = true;
    } else if (this.#lost) this.#arm(AGAIN_MS);
    else if (this.#marker === undefined) this.#mark();
    else this.#tell(subject, body);
  }

  /** It is to be delivered again after a delay; what is said `once` is forgotten where it may not have been heard. */
  nak(message: Stored, subject: string, delayMs: number, once = false): void {
    this.#naks.add(message, subject, delayMs, once);
  }

  /** It is still in work; `onHeard` is called when the broker has said that it heard so. */
  working(subject: string, onHeard?: () => void): void {
    const { messaging, requests } = this.#parts;
    if (!messaging.connected) return;
    const expiresAt = performance.now() + CONFIRM_MS;
    try {
      if (onHeard === undefined) messaging.publish(subject, WORKING);
      else requests.send(new Progress(subject, expiresAt, onHeard, () => this.#nobody()), WORKING);
    } catch {
      // About to close. Nothing depends on it that would not be said again.
    }
  }

  /**
   * Whether a message was acknowledged here lately. One of the same sequence that was stored later than everything which
   * was acknowledged is of a stream that was removed and made again: then all of that is forgotten.
   */
  has(delivery: Stored): boolean {
    if (!this.#acked.has(delivery.sequence)) return false;
    if (delivery.storedAt <= this.#latest) return true;
    this.forget();
    return false;
  }

  /** Whether a message that comes again was to come later: then the broker is told again. */
  isEarly(message: Stored, subject: string): boolean {
    return this.#naks.isEarly(message, subject);
  }

  /** The bus went away: what is not confirmed must not keep all that was read with it. */
  away(): void {
    this.#unmark();
    for (const word of this.#open) word.subject = flatCopy(word.subject);
    this.#naks.away();
  }

  /** Says no nak before `until` has settled. */
  hold(until: Promise<unknown> | undefined): Promise<void> {
    return this.#naks.hold(until);
  }

  /** The consumer was deleted. It is to be looked for: there may be one of its name again, which is another one. */
  doubt(): void {
    this.#knownAfter = -1;
  }

  /** The bus is there, and so is the consumer. */
  trust(): void {
    this.#isUnheard = false;
    if (!this.#inDoubt) return;
    this.#knownAfter = this.#parts.outages();
    this.repeat();
  }

  /** Sends everything again that is not confirmed. */
  repeat(): void {
    if (this.size === 0 || !this.#mayTell()) return;
    if (this.#marker === undefined) {
      this.#lost = false;
      for (const { subject, body } of this.#open.slice(0, -1)) this.#tell(subject, body);
      this.#mark();
    }
    this.#naks.repeat();
  }

  /**
   * The consumer is not there any more, or is another one: it has not delivered what is acknowledged here. Nor what is in
   * hand, unless `hasDelivered` says that some of that may be its own.
   */
  forget(hasDelivered = false): void {
    if (!hasDelivered) this.#era++;
    this.#isUnheard = false;
    this.#knownAfter = this.#parts.outages();
    this.#acked.clear();
    this.#latest = 0;
    this.#covered = [];
    this.#open = [];
    this.#marker = undefined;
    this.#lost = false;
    this.#naks.clear();
    this.#ended();
  }

  /** Resolves when everything is confirmed, after `withinMs` at the latest. */
  settled(withinMs: number): Promise<void> {
    if (this.size === 0) return Promise.resolve();
    this.#confirm();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.min(withinMs, MAX_TIMER_MS));
      this.#settling.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  answered(marker: Confirmation, message: NatsMessage): void {
    const isMarker = marker === this.#marker;
    if (message.isNoResponders) {
      if (isMarker) this.#unmark();
      this.#arm(AGAIN_MS);
      this.#nobody();
      return;
    }
    if (!isMarker) return;
    this.#covered = [];
    this.#marker = undefined;
    if (this.#open.length > 0) this.#arm(TAIL_MS);
    this.#ended();
  }

  failed(marker: Confirmation, why: Unanswered, error: Error | undefined): void {
    if (marker === this.#marker) this.#unmark();
    if (why === "closed") this.forget();
    else if (why === "timeout") this.repeat();
    else if (why === "refused") {
      this.#arm(CONFIRM_MS);
      this.#parts.onRefused(error!);
    }
  }

  /** Whether it may be another consumer, which would take what is said here for words about messages of its own. */
  get #inDoubt(): boolean {
    return this.#knownAfter !== this.#parts.outages();
  }

  /** Whether the broker may be told something now. Where it is not known who would hear it, that is found out. */
  #mayTell(): boolean {
    if (!this.#parts.messaging.connected) return false;
    if (!this.#inDoubt) return true;
    this.#parts.onDoubt();
    return false;
  }

  #nobody(): void {
    this.#isUnheard = true;
    this.#parts.onDoubt();
  }

  /** Has what is open confirmed. */
  #confirm(): void {
    if (this.#lost || this.#naks.size > 0) this.repeat();
    else if (this.#marker === undefined && this.#mayTell()) this.#mark();
  }

  /** Sends the last one of what is open as a request; it does no harm if it is there already. */
  #mark(): void {
    const last = this.#open.at(-1);
    if (last === undefined) return;
    const marker = new Confirmation(this, "", last.subject, 0, false);
    marker.expiresAt = performance.now() + CONFIRM_MS;
    try {
      this.#parts.requests.send(marker, last.body);
    } catch {
      // Away, or about to close.
      this.#lost = true;
      return;
    }
    this.#marker = marker;
    this.#covered = this.#open;
    this.#open = [];
  }

  #unmark(): void {
    this.#marker = undefined;
    if (this.#open.length + this.#covered.length > 0) this.#lost = true;
    this.#open = this.#covered.concat(this.#open);
    this.#covered = [];
  }

  #tell(subject: string, body: string): void {
    try {
      this.#parts.messaging.publish(subject, body);
    } catch {
      this.#lost = true;
    }
  }

  #arm(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#confirm();
    }, ms);
  }

  #began(): void {
    if (this.#pending) return;
    this.#pending = true;
    this.#parts.onPending(true);
  }

  #ended(): void {
    if (!this.#pending || this.size > 0) return;
    this.#pending = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const resolve of this.#settling.splice(0)) resolve();
    this.#parts.onPending(false);
  }
}
