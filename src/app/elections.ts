// Elections as callers see them: who leads, by the leaders' own words, and for how long that is relied on.

import { HEADER } from "../domain/header.ts";
import {
  LEADER_QUESTION,
  type Leadership,
  type LeaderWord,
  readLeaderWord,
  readLedMethods,
} from "../domain/leader_word.ts";
import { rpcElectedSubject, rpcLeaderSubject } from "../domain/subject.ts";
import type { Message } from "../ports/messaging.ts";
import { Inquiry } from "./inquiry.ts";
import type { Route } from "./routes.ts";
import type { Runtime } from "./runtime.ts";

/** For how long a leader that was heard is called without a question, in milliseconds; the next one would be heard of. */
const TRUST_MS = 2_000;
/**
 * The same for a leader that owes an answer, and where nobody can be heard of: a leader that stands still has kept its
 * place with the server, which goes on handing calls to it. No lease is shorter.
 */
const OWING_MS = 100;
/** Of how many services this is known; the calls of others go by the queue group alone. */
const MAX_SERVICES = 10_000;

/** A leader, by its own word. */
export interface Leader extends Leadership {
  /** Its group. */
  readonly group: string;
  /** When it was heard last, and until when it is called without a question, in monotonic milliseconds. */
  heardAt: number;
  trustedUntil: number;
}

/** What is known of the leaders of a service. */
export interface Elected {
  readonly service: string;
  /** By group. One that has gone stays, so that no older word is believed. */
  readonly leaders: Map<string, Leader>;
  /** The groups of each method that leaders serve. */
  readonly methods: Map<string, Set<string>>;
  /** Whether it was asked who leads it: what is not among the methods by now is no leader's. */
  isAsked: boolean;
  /** On which connection, by its number, this user may call the queue group alone. */
  refusedIn: number;
  /** Whether it is heard who is elected. */
  hears: boolean;
  subscribed: boolean;
  inquiry: Inquiry | undefined;
}

/** What elections need of the caller. */
export interface ElectionsParts {
  readonly runtime: Runtime;
  /** Sends a question of this number. @throws when it cannot be sent. */
  readonly ask: (subject: string, body: string, question: number) => void;
  /** Another one leads a group: called with what it serves, as far as is known. */
  readonly onFollowed: (
    service: string,
    leader: Leader,
    serves: (method: string) => boolean,
  ) => void;
}

/** Who leads what, on one bus. */
export class Elections {
  readonly #parts: ElectionsParts;
  readonly #services = new Map<string, Elected>();
  /** By the number of their questions. */
  readonly #asked: Elected[] = [];
  /** Grows with each connection, on which something else may be permitted. */
  #connection = 0;

  constructor(parts: ElectionsParts) {
    this.#parts = parts;
  }

  /**
   * Whom a call goes to: the leader; undefined for whomever the queue group gives it to; or it has to be asked. `isSuspect`
   * is for a method of which nobody was found in the queue group.
   */
  leaderOf(route: Route, now: number, isSuspect = false): Leader | "ask" | undefined {
    const elected = this.#of(route);
    if (elected.refusedIn === this.#connection) return undefined;
    const groups = elected.methods.size === 0 ? undefined : elected.methods.get(route.method);
    if (groups === undefined) return elected.isAsked && !isSuspect ? undefined : "ask";
    let chosen: Leader | undefined;
    let count = 0;
    for (const group of groups) {
      const leader = elected.leaders.get(group);
      if (leader === undefined || leader.trustedUntil <= now) continue;
      // The groups share the calls.
      if (++count === 1 || this.#parts.runtime.random.next() * count < 1) chosen = leader;
    }
    return chosen ?? "ask";
  }

  /** Whether a method is a leader's, as far as is known. */
  isLed(route: Route): boolean {
    return this.#of(route).methods.has(route.method);
  }

  /** A call goes to a leader, which owes an answer from now on. */
  sent(leader: Leader, now: number): void {
    leader.trustedUntil = Math.min(leader.trustedUntil, now + OWING_MS);
  }

  /** A leader has answered a call. */
  heard(route: Route, leader: Leader, now: number): void {
    leader.heardAt = now;
    leader.trustedUntil = now + trustMs(this.#of(route));
  }

  /** Nobody was found at a leader, or it says that it is none. */
  forget(leader: Leader): void {
    leader.trustedUntil = -Infinity;
  }

  /** An answer has come from whomever it was: if the method is the leader's, it says so. */
  meet(route: Route, answer: Message): void {
    const text = this.#parts.runtime.transport.messaging.header(answer, HEADER.exclusive);
    const word = text === undefined ? undefined : readLeaderWord(text);
    if (word !== undefined) this.#take(this.#of(route), [route.method], word, -Infinity);
  }

  /** Nobody was found in the queue group, or nobody said within a while who leads: whether the next call asks. */
  setAsked(route: Route, isAsked: boolean): void {
    this.#of(route).isAsked = isAsked;
  }

  /** The server does not let calls of one instance pass, or the question who leads: the queue group has to do. */
  refuse(route: Route): void {
    this.#of(route).refusedIn = this.#connection;
  }

  /** Joins those that want to know who leads; each of them leaves. */
  join(route: Route): Inquiry {
    const elected = this.#of(route);
    const { service } = elected;
    if (elected.inquiry === undefined) {
      let question = this.#asked.indexOf(elected);
      if (question === -1) question = this.#asked.push(elected) - 1;
      const { runtime, ask } = this.#parts;
      elected.inquiry = new Inquiry(runtime, {
        ask: (leaders) => ask(rpcLeaderSubject(service), leaders ? LEADER_QUESTION : "", question),
        hears: () => elected.hears,
        onLeft: () => {
          elected.inquiry = undefined;
        },
      });
    }
    elected.inquiry.join();
    return elected.inquiry;
  }

  /** An answer to a question. */
  answered(question: number, message: Message): void {
    const elected = this.#asked[question];
    if (elected === undefined) return;
    const { messaging } = this.#parts.runtime.transport;
    const { inquiry } = elected;
    if (messaging.isNoResponders(message)) {
      elected.isAsked = true;
      return inquiry?.end();
    }
    const word = readLeaderWord(messaging.header(message, HEADER.exclusive) ?? "");
    if (word === undefined) return;
    const text = message.ascii ?? new TextDecoder().decode(message.data);
    elected.isAsked = true;
    this.#take(elected, readLedMethods(text), word, inquiry?.since ?? -Infinity);
    inquiry?.told(word.leader !== undefined);
  }

  /** The server did not let something pass: if it was a question, this user may call the queue group alone. */
  refused(subject: string): void {
    for (const elected of this.#asked) {
      if (rpcLeaderSubject(elected.service) !== subject) continue;
      elected.refusedIn = this.#connection;
      elected.inquiry?.wake();
    }
  }

  /** Nobody can be asked now: what waits finds out by itself why not. */
  interrupt(): void {
    for (const { inquiry } of this.#asked) inquiry?.end();
  }

  /** The connection is new: who was elected meanwhile has not been heard. */
  returned(): void {
    this.#connection++;
    for (const { leaders } of this.#services.values()) {
      for (const leader of leaders.values()) this.forget(leader);
    }
  }

  /** Takes what somebody says; `since` is when it was asked, if it was. */
  #take(elected: Elected, methods: readonly string[], word: LeaderWord, since: number): void {
    this.#listen(elected);
    for (const method of methods) {
      const groups = elected.methods.get(method);
      if (groups === undefined) elected.methods.set(method, new Set([word.group]));
      else groups.add(word.group);
    }
    this.#learn(elected, word, since);
  }

  #learn(elected: Elected, { group, leader }: LeaderWord, since: number): void {
    if (leader === undefined) return;
    const { service, leaders, methods } = elected;
    const now = this.#parts.runtime.clock.monotonic();
    const known = leaders.get(group);
    const times = { heardAt: now, trustedUntil: now + trustMs(elected) };
    if (known?.token === leader.token && known.instanceId === leader.instanceId) {
      Object.assign(known, times);
    } else {
      // Tokens begin again where the bucket was removed: what was asked since then is no old word.
      if (known !== undefined && leader.token < known.token && known.heardAt >= since) return;
      const next = { ...leader, group, ...times };
      leaders.set(group, next);
      this.#parts.onFollowed(service, next, (method) => methods.get(method)?.has(group) === true);
    }
    elected.inquiry?.wake();
  }

  #of(route: Route): Elected {
    return route.elected ??= this.#services.get(route.service) ?? this.#add(route.service);
  }

  #add(service: string): Elected {
    const isFull = this.#services.size >= MAX_SERVICES;
    const elected: Elected = {
      service,
      leaders: new Map(),
      methods: new Map(),
      isAsked: isFull,
      refusedIn: -1,
      hears: false,
      subscribed: isFull,
      inquiry: undefined,
    };
    if (!isFull) this.#services.set(service, elected);
    return elected;
  }

  #listen(elected: Elected): void {
    if (elected.subscribed) return;
    elected.subscribed = elected.hears = true;
    const { messaging } = this.#parts.runtime.transport;
    messaging.subscribe(rpcElectedSubject(elected.service), {
      onMessage: (message) => {
        const word = readLeaderWord(messaging.header(message, HEADER.exclusive) ?? "");
        if (word !== undefined) this.#learn(elected, word, -Infinity);
      },
      // Without it leaders are asked more often.
      onError: () => {
        elected.hears = false;
      },
    });
  }
}

function trustMs({ hears }: Elected): number {
  return hears ? TRUST_MS : OWING_MS;
}
