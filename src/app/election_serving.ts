// Serving as one of many of which one is active: the election, and what the leader alone serves.

import type { AegisError } from "../domain/error.ts";
import { leaderKey } from "../domain/lease_record.ts";
import type { LeaseEnd } from "../domain/lease_state.ts";
import type { BusParts } from "./bus.ts";
import { Election } from "./election.ts";
import { openLeaders } from "./election_bucket.ts";
import type { SingleActiveSettings } from "./election_options.ts";
import { type ExclusiveHandlers, Term } from "./election_term.ts";
import type { Leading } from "./leading.ts";
import type { Responder } from "./responder.ts";
import { together, type Work } from "./work.ts";

/** How a service stands of which one instance is active. */
export interface LeadershipHealth {
  /** Whether it takes part: it leads and serves what the leader serves, or knows that it does not. */
  readonly ok: boolean;
  /** Its group. */
  readonly group: string;
  /** Whether this instance leads. */
  readonly leader: boolean;
  /** Its fencing token, while it leads. */
  readonly fencingToken: number | undefined;
  /** The instance that leads, as far as this one knows. */
  readonly holder: string | undefined;
  /** What is wrong, if anything is. */
  readonly error: Error | undefined;
}

/** What it is made of. */
export interface ElectionServingParts {
  readonly bus: BusParts;
  readonly service: string;
  readonly instanceId: string;
  readonly settings: SingleActiveSettings;
  /** Who serves the methods of the leader. */
  readonly responder: () => Pick<
    Responder,
    "lead" | "yield" | "drain" | "handBack" | "whenIdle"
  >;
  /** Makes the handlers of events and commands of the leader, for one leadership. */
  readonly handlersOf: (leading: Leading) => ExclusiveHandlers;
  /** Tells others whether it leads. */
  readonly setStatus: (status: "ACTIVE" | "STANDBY", group: string) => void;
  /** The program's hook. */
  readonly onLeadership:
    | ((leader: boolean, fencingToken: number) => void | Promise<void>)
    | undefined;
}

/** Stands for election, and serves what the leader serves while it leads. */
export class ElectionServing implements Work, Leading {
  readonly #parts: ElectionServingParts;
  readonly #labels: Readonly<Record<string, string>>;
  /** The current term, and those before it whose handlers have not returned. */
  readonly #terms = new Set<Term>();
  #next: Term;
  #current: Term | undefined;
  #election: Election | undefined;
  /** The token of the leadership that was told last. */
  #told: number | undefined;
  #isStopping = false;
  #handingOver: Promise<void> | undefined;

  constructor(parts: ElectionServingParts) {
    this.#parts = parts;
    const { service, settings: { group } } = parts;
    this.#labels = Object.freeze({ service, group });
    this.#next = this.#term();
  }

  get token(): number | undefined {
    return this.#election?.token;
  }

  /** Makes what the leader's handlers need. @throws {ConflictError} when it cannot be as it must be. */
  async prepare(): Promise<void> {
    await this.#next.prepare();
  }

  /**
   * Stands for election; resolves when it is known who leads.
   *
   * @throws {ConflictError} when the bucket of elections is not as it must be.
   * @throws {UnavailableError} when it does not answer.
   */
  async open(): Promise<void> {
    const { bus: { runtime, buckets }, service, instanceId } = this.#parts;
    const { group, policy } = this.#parts.settings;
    this.#parts.setStatus("STANDBY", group);
    this.#gauge(0);
    const kv = await openLeaders(buckets);
    this.#election = new Election({
      runtime,
      name: `${service} in group ${group}`,
      kv,
      key: leaderKey(service, group),
      holder: instanceId,
      policy,
      onLead: (token) => this.#lead(token),
      onYield: (end) => this.#yield(end),
    });
    await this.#election.start();
  }

  /** What the leader alone handles, as it is here now. */
  get handlers(): ExclusiveHandlers {
    return (this.#current ?? this.#next).handlers;
  }

  /** How it stands. */
  health(): LeadershipHealth {
    const token = this.token;
    const error = this.#election?.trouble ?? this.#current?.error;
    return {
      ok: error === undefined && this.#election !== undefined,
      group: this.#parts.settings.group,
      leader: token !== undefined,
      fencingToken: token,
      holder: this.#election?.holder,
      error,
    };
  }

  get inFlight(): number {
    return this.#all().inFlight;
  }

  get unsettled(): number {
    return this.#all().unsettled;
  }

  async drain(withinMs: number): Promise<void> {
    this.#isStopping = true;
    const drained = this.#all().drain(withinMs);
    this.#handingOver ??= this.#handOver(drained, withinMs);
    await drained;
  }

  /**
   * Gives the lease to the next one when all is done that the leader alone does, whatever else this instance has in hand;
   * who does not lead must not begin to.
   */
  async #handOver(drained: Promise<void>, withinMs: number): Promise<void> {
    if (this.token !== undefined) {
      const [work, responder] = [this.#all(), this.#parts.responder()];
      await Promise.allSettled([drained, responder.drain(withinMs)]);
      work.handBack();
      responder.handBack();
      await Promise.all([work.whenIdle(), responder.whenIdle(true)]);
    }
    await this.#election?.stop();
  }

  handBack(): void {
    this.#all().handBack();
  }

  whenIdle(): Promise<void> {
    return this.#all().whenIdle();
  }

  abort(reason?: AegisError): void {
    this.#all().abort(reason);
  }

  /** Nobody waits any longer for what is in flight: the next one may begin. */
  async whenSettled(): Promise<void> {
    await Promise.all([this.#election?.stop(), this.#all().whenSettled()]);
  }

  async close(withinMs: number): Promise<void> {
    await Promise.all([this.#election?.stop(), this.#all().close(withinMs)]);
  }

  #all(): Work {
    return together([...this.#terms, this.#next].map(({ work }) => work));
  }

  #term(): Term {
    const { bus: { runtime }, service, handlersOf } = this.#parts;
    return new Term({
      runtime,
      service,
      election: this,
      handlersOf,
      onLeft: (term) => void this.#terms.delete(term),
    });
  }

  #lead(token: number): void {
    const { bus: { runtime }, service, instanceId, settings, responder } = this.#parts;
    if (this.#isStopping) return void this.#election?.stop();
    this.#told = token;
    this.#hook(true, token);
    responder().lead(token);
    const term = this.#current = this.#next;
    this.#terms.add(term);
    this.#next = this.#term();
    void term.begin(token);
    this.#changed(true, token);
    runtime.logger.info(`${service} leads`, {
      instance: instanceId,
      group: settings.group,
      fencingToken: token,
    });
  }

  #yield(end: LeaseEnd): void {
    const { bus: { runtime }, service, instanceId, settings, responder } = this.#parts;
    const token = this.#told;
    if (token === undefined) return;
    this.#told = undefined;
    responder().yield();
    this.#current?.end(end);
    this.#current = undefined;
    this.#changed(false, token, end);
    this.#hook(false, token);
    runtime.logger[end === "released" ? "info" : "warn"](`${service} leads no longer`, {
      instance: instanceId,
      group: settings.group,
      fencingToken: token,
    });
  }

  #changed(leads: boolean, token: number, end?: LeaseEnd): void {
    const { bus: { runtime: { metrics, logger } }, settings, setStatus } = this.#parts;
    setStatus(leads ? "ACTIVE" : "STANDBY", settings.group);
    this.#gauge(leads ? 1 : 0);
    try {
      const change = leads ? "gained" : end === "released" ? "released" : "lost";
      metrics.increment("aegis_leadership_changes_total", { ...this.#labels, change });
      if (leads) metrics.gauge("aegis_fencing_token", token, this.#labels);
    } catch (error) {
      logger.warn("The metrics threw an error", { error });
    }
  }

  #gauge(value: number): void {
    const { runtime: { metrics, logger } } = this.#parts.bus;
    try {
      metrics.gauge("aegis_leader", value, this.#labels);
    } catch (error) {
      logger.warn("The metrics threw an error", { error, metric: "aegis_leader" });
    }
  }

  #hook(leader: boolean, token: number): void {
    const { bus: { runtime: { logger } }, service, onLeadership } = this.#parts;
    const failed = (error: unknown): void =>
      logger.error(`The onLeadership hook of ${service} failed`, { error });
    try {
      void Promise.resolve(onLeadership?.(leader, token)).catch(failed);
    } catch (error) {
      failed(error);
    }
  }
}
