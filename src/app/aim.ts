// The aim of a call: whom each of its attempts goes to, where that is not left to the queue group alone.

import type { SelectStrategy } from "../domain/selection.ts";
import { UnavailableError } from "../domain/error.ts";
import type { Failure } from "./answer.ts";
import { type Breaker, type Circuits, outcomeOf } from "./circuits.ts";
import type { CallOptions } from "./context.ts";
import type { Route } from "./routes.ts";
import type { Runtime } from "./runtime.ts";

/** An instance that may be called alone. */
export interface Peer {
  /** Its name. */
  readonly instanceId: string;
  /** How much it has to do, with what it got to do from here since its last heartbeat, less what it has done. */
  load: number;
}

/** Who is there, as calls ask. */
export interface Peers {
  /** Whether that is known, and up to date. */
  readonly isKnown: boolean;
  /** Begins to look, if nobody does. Resolves when it is known; undefined when it is. Rejects when it cannot be known in time. */
  know(limitMs: number, signal: AbortSignal | undefined): Promise<void> | undefined;
  /** One of those that a method can be called of and that are not left out. */
  choose(
    route: { readonly service: string; readonly method: string },
    strategy: SelectStrategy,
    key: string,
    isLeftOut: ((instanceId: string) => boolean) | undefined,
  ): Peer | undefined;
  /** An instance by its name. */
  find(service: string, instanceId: string): Peer | undefined;
  /** Whether an instance was there and has gone. */
  hasGone(service: string, instanceId: string): boolean;
  /** Nobody was found at an instance. */
  missed(service: string, instanceId: string): void;
}

type MaybeLater<T> = T | Promise<T>;

/** What an aim is made of. */
export interface AimParts {
  readonly runtime: Runtime;
  readonly route: Route;
  readonly peers: Peers | undefined;
  /** Undefined where there are none, or the call does without. */
  readonly circuits: Circuits | undefined;
  readonly options: CallOptions;
}

/** Whom the attempts of one call go to. */
export class Aim {
  /** Whom this attempt goes to; undefined for whomever the queue group gives it to. */
  instance: string | undefined;
  readonly #parts: AimParts;
  /** By what it is chosen; undefined where one was named, or nothing is. */
  #strategy: SelectStrategy | undefined;
  #peer: Peer | undefined;
  /** Those that nobody was found at, or that refused it. */
  readonly #tried = new Set<string>();
  #breaker: Breaker | undefined;
  #era = 0;
  #sentAt = 0;

  /** The aim of one call. */
  constructor(parts: AimParts) {
    this.#parts = parts;
    this.#strategy = parts.options.select;
    this.instance = parts.options.instance;
  }

  /** Whether one was named, and no other will do as yet. */
  get isNamed(): boolean {
    return this.#strategy === undefined && this.instance !== undefined;
  }

  /**
   * Aims the next attempt; what it gives, perhaps later, is why it cannot be made: the one that was named has gone, or no
   * circuit lets it through. It goes to the leader, where there is one, whatever it is chosen by.
   */
  take(
    now: number,
    expiresAt: number,
    leader?: string,
  ): MaybeLater<UnavailableError | undefined> {
    const { peers, options } = this.#parts;
    if (leader !== undefined) {
      this.instance = leader;
      return this.#admit(now);
    }
    // It may have gone to a leader before.
    if (options.instance === undefined) this.instance = undefined;
    if (this.#strategy === undefined || peers === undefined) return this.#choose(now);
    // Half of the time is for the call, by whatever way.
    const knowing = peers.know((expiresAt - now) / 2, options.signal);
    return knowing === undefined ? this.#choose(now) : this.#chooseAfter(knowing);
  }

  /**
   * The attempt met nobody. Whether it may be made again with another one. `isSettling` is for the time after an outage,
   * when nobody means not yet.
   */
  async passOn(now: number, expiresAt: number, isSettling: boolean): Promise<boolean> {
    const { peers, route, options, circuits } = this.#parts;
    const { instance } = this;
    if (instance === undefined || peers === undefined) return false;
    this.#tried.add(instance);
    const isOther = !this.isNamed || await this.#mayBeOther(peers, instance, now, expiresAt);
    if (!isSettling) {
      peers.missed(route.service, instance);
      circuits?.forget({ service: route.service, method: route.method, instance });
    }
    if (!isOther) return false;
    options.signal?.throwIfAborted();
    this.#strategy ??= "random";
    return true;
  }

  /** The attempt is over: takes note of what it says of whom it went to. */
  settle(failure: Failure | undefined, error: unknown, away: boolean, now: number): void {
    const outcome = outcomeOf(failure, error, away);
    if (this.#peer !== undefined) this.#peer.load--;
    this.#peer = undefined;
    this.#breaker?.ended(this.#era, outcome, now - this.#sentAt, now);
    this.#breaker = undefined;
    if (this.instance === undefined || failure !== undefined) return;
    if (error === undefined) meet(this.#parts.route, this.instance);
    else this.#tried.add(this.instance);
  }

  /** One was named: another will do where that one has gone since somebody knew it, and there is another. */
  async #mayBeOther(
    peers: Peers,
    instance: string,
    now: number,
    expiresAt: number,
  ): Promise<boolean> {
    const { route, options } = this.#parts;
    if (options.retry === false) return false;
    try {
      await peers.know((expiresAt - now) / 2, options.signal);
    } catch {
      // Who else is there cannot be told: the call ends as it would without.
      return false;
    }
    const { service } = route;
    const wasThere = peers.find(service, instance) !== undefined ||
      peers.hasGone(service, instance) || route.met?.has(instance) === true;
    return wasThere && peers.choose(route, "random", "", (id) => id === instance) !== undefined;
  }

  async #chooseAfter(knowing: Promise<void>): Promise<UnavailableError | undefined> {
    const { runtime: { clock }, options: { signal } } = this.#parts;
    try {
      await knowing;
    } catch {
      // Who is there cannot be told, which whoever looks has said: the queue group knows.
      signal?.throwIfAborted();
    }
    return this.#choose(clock.monotonic());
  }

  #choose(now: number): UnavailableError | undefined {
    const { peers, route: { service }, options } = this.#parts;
    if (this.isNamed && peers?.isKnown && peers.hasGone(service, this.instance!)) {
      if (options.retry === false) return this.#nobody();
      this.#tried.add(this.instance!);
      this.#strategy = "random";
    }
    if (this.#strategy !== undefined) {
      const error = this.#select(this.#strategy, now);
      if (error !== undefined) return error;
    }
    return this.#admit(now);
  }

  /** Whether the circuit lets the attempt through. */
  #admit(now: number): UnavailableError | undefined {
    const { route: { service, method }, circuits } = this.#parts;
    if (circuits !== undefined) {
      const breaker = circuits.of({ service, method, instance: this.instance });
      if (!breaker.lets(now)) return breaker.error(now);
      this.#breaker = breaker;
      this.#era = breaker.begun(now);
      this.#sentAt = now;
    }
    if (this.#peer !== undefined) this.#peer.load++;
    return undefined;
  }

  #select(strategy: SelectStrategy, now: number): UnavailableError | undefined {
    const { peers, route, options, circuits } = this.#parts;
    const { service, method } = route;
    const { key = "" } = options;
    const tried = this.#tried;
    const choose = (isLeftOut?: (instanceId: string) => boolean): Peer | undefined =>
      peers?.choose(route, strategy, key, isLeftOut);
    let open: Breaker | undefined;
    const isOpen = (instance: string): boolean => {
      const asked = { service, method, instance };
      if (circuits === undefined || circuits.lets(asked, now)) return false;
      const breaker = circuits.of(asked);
      if (open === undefined || breaker.until < open.until) open = breaker;
      return true;
    };
    let peer = tried.size === 0 && circuits === undefined
      ? choose()
      : choose((id) => tried.has(id) || isOpen(id));
    // Those that refused it may take it now; those that nobody was found at are not there any more.
    if (peer === undefined && tried.size > 0) peer = choose(isOpen);
    if (peer === undefined && open !== undefined) return open.error(now);
    if (peer === undefined && options.instance !== undefined) {
      this.#strategy = undefined;
      this.instance = options.instance;
      return this.#nobody();
    }
    this.#peer = peer;
    this.instance = peer?.instanceId;
    return undefined;
  }

  #nobody(): UnavailableError {
    const { route: { service, method }, options: { instance } } = this.#parts;
    return new UnavailableError(
      `Cannot call ${service}.${method}: instance "${instance}" of "${service}" has gone`,
      { details: { service, method, instance, sent: false } },
    );
  }
}

/** Beyond this number those that have answered are forgotten. */
const MAX_MET = 1_000;

function meet(route: Route, instance: string): void {
  route.met ??= new Set();
  if (route.met.size >= MAX_MET) route.met.clear();
  route.met.add(instance);
}
