// The subject that a delivery is acknowledged on: it says which message it is, and how often it was delivered.

import { flatCopy } from "../../domain/flat.ts";

/** What the subject of a delivery says at once. */
export interface AckFields {
  /** The sequence in the stream. */
  readonly sequence: number;
  /** How often it has been delivered, this time included. */
  readonly attempt: number;
  /** Which delivery of its consumer it is, from 1. */
  readonly delivery: number;
  /** When the message was stored, in milliseconds since the epoch. */
  readonly storedAt: number;
  /** How many messages its consumer had still to deliver for the first time. */
  readonly pending: number;
}

const BEGINNING = "$JS.ACK.";
/**
 * How many tokens there are: `$JS.ACK.stream.consumer.delivered.sequence.consumerSequence.time.pending`, or with the
 * domain and the account's hash before the stream, and maybe something after all of it.
 */
const PLAIN_TOKENS = 9;
const LEAST_LONG_TOKENS = 11;
const DOT = ".".charCodeAt(0);
const ZERO = "0".charCodeAt(0);
const NINE = "9".charCodeAt(0);
/** Of a time in nanoseconds, how many digits are less than a millisecond. */
const DIGITS_BELOW_MS = 6;

/** Whether it is the subject of a delivery. */
export function isAckSubject(subject: string): boolean {
  return subject.startsWith(BEGINNING);
}

/** Reads the subjects of one consumer: they begin alike, up to how often the message was delivered. */
export class AckSubjects {
  #prefix = "\n";

  /** What a subject says, or undefined when it is none of a delivery. */
  read(subject: string): AckFields | undefined {
    if (!subject.startsWith(this.#prefix) && !this.#learn(subject)) return undefined;
    let at = this.#prefix.length;
    let attempt = 0;
    let code = subject.charCodeAt(at);
    for (; code >= ZERO && code <= NINE; code = subject.charCodeAt(++at)) {
      attempt = attempt * 10 + (code - ZERO);
    }
    if (code !== DOT) return undefined;
    let sequence = 0;
    code = subject.charCodeAt(++at);
    for (; code >= ZERO && code <= NINE; code = subject.charCodeAt(++at)) {
      sequence = sequence * 10 + (code - ZERO);
    }
    if (code !== DOT) return undefined;
    let delivery = 0;
    code = subject.charCodeAt(++at);
    for (; code >= ZERO && code <= NINE; code = subject.charCodeAt(++at)) {
      delivery = delivery * 10 + (code - ZERO);
    }
    const from = at + 1;
    const end = subject.indexOf(".", from) - DIGITS_BELOW_MS;
    let storedAt = 0;
    // The nanoseconds are more than a number holds exactly.
    for (at = from; at < end; at++) storedAt = storedAt * 10 + (subject.charCodeAt(at) - ZERO);
    let pending = 0;
    code = subject.charCodeAt(at = end + DIGITS_BELOW_MS + 1);
    for (; code >= ZERO && code <= NINE; code = subject.charCodeAt(++at)) {
      pending = pending * 10 + (code - ZERO);
    }
    return { sequence, attempt, delivery, storedAt, pending };
  }

  #learn(subject: string): boolean {
    const at = deliveredAt(subject);
    if (at === -1 || !/^\d+\.\d+\.\d+\.\d+\.\d/.test(subject.slice(at))) return false;
    // A piece of what was read would keep all of it.
    this.#prefix = flatCopy(subject.slice(0, at));
    return true;
  }
}

/** The place of the token that says how often a message was delivered, or -1. */
function deliveredAt(subject: string): number {
  if (!isAckSubject(subject)) return -1;
  const tokens = subject.split(".");
  const names = tokens.length === PLAIN_TOKENS
    ? 4
    : tokens.length >= LEAST_LONG_TOKENS
    ? 6
    : tokens.length;
  return names >= tokens.length ? -1 : tokens.slice(0, names).join(".").length + 1;
}
