// The election: one candidate for the leadership of a group, on this process's clock and over a bucket of the bus.

import { deferred } from "../domain/deferred.ts";
import { UnavailableError } from "../domain/error.ts";
import { stepLease } from "../domain/lease.ts";
import type { FailoverPolicy } from "../domain/lease_policy.ts";
import {
  isSettled,
  leadsAt,
  type LeaseAction,
  type LeaseEnd,
  type LeaseObservation,
  type LeaseState,
  newLease,
} from "../domain/lease_state.ts";
import type { Timer } from "../ports/clock.ts";
import { ElectionStore, type LeaseKv } from "./election_store.ts";
import type { Leading } from "./leading.ts";
import type { Runtime } from "./runtime.ts";

/** What a candidate is made of. */
export interface ElectionParts {
  readonly runtime: Runtime;
  /** What it stands for, as messages and logs name it. */
  readonly name: string;
  /** The bucket, and the key of the group in it. */
  readonly kv: LeaseKv;
  readonly key: string;
  /** The name of the instance, unique among those that stand for it. */
  readonly holder: string;
  readonly policy: FailoverPolicy;
  /** Called with the fencing token when it begins to lead. */
  readonly onLead: (token: number) => void;
  /** Called when it no longer leads, with the reason. */
  readonly onYield: (end: LeaseEnd) => void;
}

/**
 * By how much the time of day may run ahead of the monotonic clock before it is taken for a sleep of the machine, in
 * milliseconds: it is read in whole ones, a moment after the other.
 */
const SLIP_MS = 5;
/** How long the first answer of the store is waited for, in milliseconds. */
const SETTLE_MS = 5_000;

/** Stands for election, from `start()` to `stop()`. */
export class Election implements Leading {
  readonly #parts: ElectionParts;
  readonly #store: ElectionStore;
  readonly #ending = new AbortController();
  readonly #settled = deferred<void>();
  readonly #over = deferred<void>();
  readonly #observed: LeaseObservation[] = [];
  #state: LeaseState;
  #isStepping = false;
  #started = false;
  /** The least by which the time of day was ahead of the monotonic clock since the machine slept last. */
  #ahead: number;
  #dueAt: number | undefined;
  #timer: Timer | undefined;
  #timerAt = Infinity;
  #trouble: Error | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(parts: ElectionParts) {
    this.#parts = parts;
    const { runtime, kv, key, holder, policy } = parts;
    this.#store = new ElectionStore(kv, key);
    this.#state = newLease(holder, runtime.random.uuid(), policy);
    this.#ahead = runtime.clock.now() - runtime.clock.monotonic();
  }

  get token(): number | undefined {
    if (this.#state.right === undefined) return undefined;
    // A loop that is too busy for its timers renews the lease as it asks.
    const { clock } = this.#parts.runtime;
    const ms = this.#slept();
    if (ms > 0) this.#on({ kind: "slept", ms });
    else if (this.#dueAt !== undefined && clock.monotonic() >= this.#dueAt) {
      this.#on({ kind: "timer" });
    }
    return leadsAt(this.#state, clock.monotonic()) ? this.#state.right?.token : undefined;
  }

  /** Why the store does not answer, where it does not. */
  get trouble(): Error | undefined {
    return this.#trouble;
  }

  /** Who holds the lease, as far as is known here; undefined where nobody does. */
  get holder(): string | undefined {
    const content = this.#state.seen?.content;
    return typeof content === "object" && !content.released ? content.holder : undefined;
  }

  /**
   * Begins; resolves when it is known who leads.
   *
   * @throws {UnavailableError} when the store does not answer.
   */
  async start(): Promise<void> {
    const { runtime: { clock, transport }, name } = this.#parts;
    this.#started = true;
    this.#unsubscribe = transport.onStatus((status) => {
      this.#on({ kind: "link", up: status === "connected" });
      if (status === "closed") void this.stop();
    });
    void this.#watch();
    this.#on({ kind: "timer" });
    const timer = clock.setTimer(SETTLE_MS, () => {
      const options = this.#trouble === undefined ? {} : { cause: this.#trouble };
      this.#settled.reject(
        new UnavailableError(`Cannot stand for ${name}: its bucket does not answer`, options),
      );
    });
    try {
      await this.#settled.promise;
    } finally {
      timer.cancel();
    }
  }

  /** Lets go, if it leads, so that another one follows at once; resolves when that is done. */
  async stop(): Promise<void> {
    if (!this.#started) return;
    this.#on({ kind: "stop" });
    await this.#over.promise;
  }

  /** Follows the record; without that, what has become of it is found out when its lease is over. */
  async #watch(): Promise<void> {
    const { runtime: { logger, transport }, name } = this.#parts;
    try {
      const { signal } = this.#ending;
      await this.#store.watch(signal, (seen) => this.#on({ kind: "seen", ...seen }));
    } catch (error) {
      if (this.#ending.signal.aborted || transport.status === "closed") return;
      logger.warn(`The election of ${name} goes on without a watch, and more slowly`, { error });
    }
  }

  #on(observation: LeaseObservation): void {
    this.#observed.push(observation);
    if (this.#isStepping) return;
    this.#isStepping = true;
    for (let next = this.#observed.shift(); next !== undefined; next = this.#observed.shift()) {
      const ms = this.#slept();
      if (ms > 0) this.#step({ kind: "slept", ms });
      this.#step(next);
    }
    this.#isStepping = false;
    if (isSettled(this.#state)) this.#settled.resolve();
    this.#arm();
  }

  #step(observation: LeaseObservation): void {
    const now = this.#parts.runtime.clock.monotonic();
    const { state, actions, dueAt } = stepLease(this.#state, observation, now);
    this.#state = state;
    this.#dueAt = dueAt;
    for (const action of actions) this.#do(action, now);
  }

  #do(action: LeaseAction, now: number): void {
    switch (action.kind) {
      case "write":
        return void this.#write(action);
      case "read":
        return void this.#read(action.withinMs, now);
      case "lead":
        return this.#parts.onLead(action.token);
      case "yield":
        return this.#parts.onYield(action.end);
      case "over":
        this.#ending.abort();
        this.#timer?.cancel();
        this.#unsubscribe?.();
        this.#settled.resolve();
        this.#over.resolve();
    }
  }

  async #write(action: LeaseAction & { readonly kind: "write" }): Promise<void> {
    const { write, record } = action;
    try {
      const revision = await this.#store.write(record, action.revision, action.withinMs);
      this.#answered();
      if (revision === undefined) this.#on({ kind: "conflict", write });
      else this.#on({ kind: "stored", write, revision });
    } catch (error) {
      this.#unanswered(error);
      this.#on({ kind: "unknown", write });
    }
  }

  async #read(withinMs: number, askedAt: number): Promise<void> {
    try {
      const seen = await this.#store.read(withinMs);
      this.#answered();
      this.#on({ kind: "seen", ...seen, askedAt });
    } catch (error) {
      this.#unanswered(error);
      this.#on({ kind: "unread" });
    }
  }

  #answered(): void {
    if (this.#trouble === undefined) return;
    this.#trouble = undefined;
    this.#parts.runtime.logger.info(`The bucket of ${this.#parts.name} answers again`);
  }

  #unanswered(error: unknown): void {
    const { runtime: { logger }, name } = this.#parts;
    if (this.#trouble === undefined) {
      logger.warn(`The bucket of ${name} does not answer; it is tried again`, { error });
    }
    this.#trouble = error instanceof Error ? error : new Error(String(error));
  }

  /**
   * For how long the machine has slept since it was asked last: monotonic clocks stand still then, and leases do not. The
   * time of day that is set forward is taken for a sleep too.
   */
  #slept(): number {
    const { clock } = this.#parts.runtime;
    const most = this.#ahead + SLIP_MS;
    let ahead = Infinity;
    // A process that is held up between the two looks sees a jump that was none.
    for (let look = 0; look < 3 && ahead > most; look++) {
      const before = clock.monotonic();
      ahead = Math.min(ahead, clock.now() - before);
    }
    const ms = ahead > most ? ahead - this.#ahead : 0;
    this.#ahead = ms > 0 ? ahead : Math.min(ahead, this.#ahead);
    return ms;
  }

  #arm(): void {
    const { clock } = this.#parts.runtime;
    const dueAt = this.#dueAt ?? Infinity;
    if (dueAt === this.#timerAt) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAt = dueAt;
    if (dueAt === Infinity || this.#state.stage === "over") return;
    this.#timer = clock.setTimer(Math.max(0, dueAt - clock.monotonic()), () => {
      this.#timerAt = Infinity;
      this.#on({ kind: "timer" });
    });
  }
}
