// The circuits of a client: one for each method of each instance that is asked, and of each service as a whole.

import {
  type Circuit,
  circuitAfter,
  type CircuitSettings,
  letsThrough,
  newCircuit,
} from "../domain/circuit.ts";
import { AegisError, UnavailableError } from "../domain/error.ts";
import type { Labels } from "../ports/metrics.ts";
import type { Failure } from "./answer.ts";
import type { Runtime } from "./runtime.ts";

/** Beyond this number the one that was not asked for longest is forgotten, so that names from outside cannot fill the memory. */
export const MAX_CIRCUITS = 50_000;
/** The name that stands for all instances of a service, which no instance has. */
const ALL = "*";
/** What the gauge shows. */
const STATES = { closed: 0, half_open: 1, open: 2 } as const;
const STATE = "aegis_circuit_state";
const OPENS = "aegis_circuit_opens_total";

/** What is asked: a method of one instance, or of a service whichever instance answers. */
export interface Asked {
  readonly service: string;
  readonly method: string;
  readonly instance: string | undefined;
}

/** Tells when instances go. */
export interface Departures {
  /** Calls `listener` each time that it is seen that the instance has gone; what it returns ends that. */
  onGone(service: string, instanceId: string, listener: () => void): () => void;
}

/** Circuits with these settings; none where there are none. */
export function circuitsOf(
  runtime: Runtime,
  settings: CircuitSettings | undefined,
  departures: Departures,
): Circuits | undefined {
  return settings && new Circuits(runtime, settings, departures);
}

/** Circuits by what is asked. */
export class Circuits {
  readonly #runtime: Runtime;
  readonly #settings: CircuitSettings;
  readonly #departures: Departures;
  /** The closed ones, that which was asked for last at the end. */
  readonly #closed = new Map<string, Breaker>();
  /** The others, that which was closed last at the end. */
  readonly #others = new Map<string, Breaker>();
  /** What ends the listening for the instances of the others. */
  readonly #listening = new Map<string, () => void>();

  /** All of them open and close alike. */
  constructor(runtime: Runtime, settings: CircuitSettings, departures: Departures) {
    this.#runtime = runtime;
    this.#settings = settings;
    this.#departures = departures;
  }

  /** The circuit of what is asked. */
  of(asked: Asked): Breaker {
    const name = nameOf(asked);
    const other = this.#others.get(name);
    if (other !== undefined) return other;
    let breaker = this.#closed.get(name);
    if (breaker === undefined) {
      this.#makeRoom();
      const moved = (isClosed: boolean): void => this.#moved(name, asked, isClosed);
      breaker = new Breaker(this.#runtime, this.#settings, asked, moved);
    } else {
      this.#closed.delete(name);
    }
    this.#closed.set(name, breaker);
    return breaker;
  }

  /** Whether a call would be let through now. */
  lets(asked: Asked, now: number): boolean {
    return this.#others.get(nameOf(asked))?.lets(now) ?? true;
  }

  /** Forgets the circuit of what is not there any more. */
  forget(asked: Asked): void {
    this.#drop(nameOf(asked));
  }

  #makeRoom(): void {
    if (this.#closed.size + this.#others.size < MAX_CIRCUITS) return;
    const { value } = (this.#closed.size > 0 ? this.#closed : this.#others).keys().next();
    this.#drop(value!);
  }

  #drop(name: string): void {
    (this.#closed.get(name) ?? this.#others.get(name))?.forgotten();
    this.#closed.delete(name);
    this.#others.delete(name);
    this.#listenNoMore(name);
  }

  /** It has closed, or does not stand closed any more: that shows, so it must end when the instance has gone. */
  #moved(name: string, asked: Asked, isClosed: boolean): void {
    const [from, to] = isClosed ? [this.#others, this.#closed] : [this.#closed, this.#others];
    const breaker = from.get(name);
    if (breaker === undefined) return;
    from.delete(name);
    to.set(name, breaker);
    const { service, instance } = asked;
    if (isClosed) this.#listenNoMore(name);
    else if (instance !== undefined) {
      const end = this.#departures.onGone(service, instance, () => this.#drop(name));
      this.#listening.set(name, end);
    }
  }

  #listenNoMore(name: string): void {
    this.#listening.get(name)?.();
    this.#listening.delete(name);
  }
}

function nameOf({ service, method, instance = ALL }: Asked): string {
  return `${service}.${method}.${instance}`;
}

/** One circuit, with what it shows of itself. */
export class Breaker {
  readonly #runtime: Runtime;
  readonly #settings: CircuitSettings;
  readonly #asked: Asked;
  readonly #labels: Labels;
  readonly #moved: (isClosed: boolean) => void;
  #circuit: Circuit;
  #isForgotten = false;

  /** A closed one. `moved` is told when it opens, and when it closes again. */
  constructor(
    runtime: Runtime,
    settings: CircuitSettings,
    asked: Asked,
    moved: (isClosed: boolean) => void,
  ) {
    const { service, method, instance = ALL } = asked;
    this.#runtime = runtime;
    this.#settings = settings;
    this.#asked = asked;
    this.#moved = moved;
    this.#labels = Object.freeze({ service, method, instance });
    this.#circuit = newCircuit(runtime.clock.monotonic());
  }

  /** Whether it lets a call through now. */
  lets(now: number): boolean {
    return letsThrough(this.#circuit, now, this.#settings);
  }

  /** Begins a call that it lets through; what it gives is for {@linkcode ended}. */
  begun(now: number): number {
    this.#set(circuitAfter(this.#circuit, { kind: "begun" }, now, this.#settings));
    return this.#circuit.era;
  }

  /** Takes note of what a call came to. */
  ended(era: number, outcome: "good" | "failed" | "void", tookMs: number, now: number): void {
    const event = { kind: "ended", era, outcome, tookMs } as const;
    this.#set(circuitAfter(this.#circuit, event, now, this.#settings));
  }

  /** When it tries again, in monotonic milliseconds; the past where a call is trying already. */
  get until(): number {
    return this.#circuit.until;
  }

  /** What a call ends with that it does not let through. */
  error(now: number): UnavailableError {
    const { service, method, instance } = this.#asked;
    const retryAfterMs = Math.max(0, Math.ceil(this.until - now));
    const where = instance === undefined ? "" : ` of instance "${instance}"`;
    const when = retryAfterMs > 0
      ? `is tried again in ${retryAfterMs} ms`
      : "is being tried by another call";
    return new UnavailableError(
      `Cannot call ${service}.${method}: its circuit${where} is open, since too many calls failed or were slow; it ${when}`,
      {
        code: "CIRCUIT_OPEN",
        details: {
          service,
          method,
          ...(instance === undefined ? {} : { instance }),
          retryAfterMs,
          sent: false,
        },
      },
    );
  }

  /** It stands for nothing any more: it shows as closed, and what its calls come to shows no more. */
  forgotten(): void {
    this.#isForgotten = true;
    if (this.#circuit.state !== "closed") this.#show("closed");
  }

  #set(next: Circuit): void {
    const { state } = this.#circuit;
    this.#circuit = next;
    if (next.state === state || this.#isForgotten) return;
    this.#show(next.state);
    if (state === "closed" || next.state === "closed") this.#moved(next.state === "closed");
    if (next.state === "half_open") return;
    this.#runtime.logger[next.state === "open" ? "warn" : "info"](
      `The circuit of a method is ${next.state}`,
      this.#labels,
    );
  }

  #show(state: Circuit["state"]): void {
    const { metrics, logger } = this.#runtime;
    try {
      metrics.gauge(STATE, STATES[state], this.#labels);
      if (state === "open") metrics.increment(OPENS, this.#labels);
    } catch (error) {
      // A call has ended well or badly already; metrics of the program's own do not change that.
      logger.warn("The metrics threw an error", { error, metric: STATE });
    }
  }
}

/**
 * What an attempt says of whom it went to: whoever did not answer in time, could not, or had too much to do has failed;
 * whoever answered anything else has not; and an attempt that nobody has got says nothing.
 */
export function outcomeOf(
  failure: Failure | undefined,
  error: unknown,
  away: boolean,
): "good" | "failed" | "void" {
  if (failure !== undefined) {
    return failure.kind === "unreadable" || (failure.kind === "timeout" && !away)
      ? "failed"
      : "void";
  }
  if (!AegisError.is(error)) return "good";
  switch (error.code) {
    case "TIMEOUT":
    case "INTERNAL_ERROR":
    case "BUSY":
    case "CIRCUIT_OPEN":
      return "failed";
    case "SERVICE_UNAVAILABLE":
      // One that stops hands back what it has not begun, which is in order.
      return error.details.refused === true ? "void" : "failed";
    default:
      return "good";
  }
}
