// A bucket with one key that tests can cut off, and candidates on clocks that tests move.

import { Election } from "../../src/app/election.ts";
import type { LeaseKv } from "../../src/app/election_store.ts";
import type { Runtime } from "../../src/app/runtime.ts";
import { ClosedError, ConflictError, TimeoutError } from "../../src/domain/error.ts";
import type { FailoverPolicy } from "../../src/domain/lease_policy.ts";
import type { LeaseEnd } from "../../src/domain/lease_state.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { KvChange, KvEntry, KvRevision, KvWatch } from "../../src/ports/kv.ts";
import type { BusStatus } from "../../src/ports/transport.ts";
import { type LogLine, recordingLogger } from "./buses.ts";

/** A clock whose process can stand still: then its timers are late. */
export class StandingClock implements Clock {
  #now = 0;
  #slept = 0;
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  now(): number {
    return 1_767_225_600_000 + this.#now + this.#slept;
  }

  timestamp(): string {
    return new Date(this.now()).toISOString();
  }

  monotonic(): number {
    return this.#now;
  }

  setTimer(delayMs: number, callback: () => void): { cancel(): void } {
    const timer = { at: this.#now + delayMs, callback };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** Time passes, and what is due happens, with what follows from it. */
  async pass(ms: number): Promise<void> {
    for (const end = this.#now + ms; this.#now < end;) {
      this.#now = Math.min(end, this.#now + 5);
      for (const timer of [...this.#timers]) {
        if (timer.at <= this.#now && this.#timers.delete(timer)) timer.callback();
      }
      await quiet();
    }
  }

  /** Time passes, and nothing happens. */
  freeze(ms: number): void {
    this.#now += ms;
  }

  /** Time passes, which this clock does not show. */
  sleep(ms: number): void {
    this.#slept += ms;
  }
}

/** Resolves when what could happen without time passing has happened. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await undefined;
}

interface Stored {
  readonly revision: number;
  readonly value: unknown;
}

/** The key, and who looks at it. */
export class Shelf {
  revision = 0;
  stored: Stored | undefined;
  /** Puts that were tried. */
  puts = 0;
  readonly #watches = new Set<(change: KvChange) => void>();

  /** Writes it, whatever is there. */
  write(value: unknown): number {
    this.stored = { revision: ++this.revision, value };
    this.#tell({ operation: "put", key: "k", revision: this.revision, entry: this.entry() });
    return this.revision;
  }

  /** Removes it. */
  remove(): void {
    this.stored = { revision: ++this.revision, value: undefined };
    this.#tell({ operation: "delete", key: "k", revision: this.revision });
  }

  entry(): KvEntry | undefined {
    const { stored } = this;
    if (stored?.value === undefined) return undefined;
    return { key: "k", createdAt: 0, ...stored };
  }

  watch(hear: (change: KvChange) => void): () => void {
    this.#watches.add(hear);
    return () => void this.#watches.delete(hear);
  }

  #tell(change: Omit<KvChange, "initial">): void {
    for (const hear of [...this.#watches]) hear({ ...change, initial: false });
  }
}

/** One connection to the shelf, which can be cut. */
export class Line {
  /** What is done with requests: they pass; they pass, and their answers do not; or they do not. */
  state: "open" | "deaf" | "cut" = "open";
  /** After how long requests are served, in milliseconds. */
  delayMs = 0;
  /** Whether changes are told. */
  watches = true;
  /** Whether a watch may be made. */
  mayWatch = true;
  readonly #shelf: Shelf;
  readonly #clock: Clock;

  constructor(shelf: Shelf, clock: Clock) {
    this.#shelf = shelf;
    this.#clock = clock;
  }

  get kv(): LeaseKv {
    const shelf = this.#shelf;
    return {
      get: (_key, { timeoutMs = 5_000 } = {}) => this.#ask(timeoutMs, () => shelf.entry() as never),
      history: (_key, { timeoutMs = 5_000 } = {}) =>
        this.#ask(timeoutMs, () => {
          const { stored } = shelf;
          if (stored === undefined) return [];
          const operation = stored.value === undefined ? "delete" : "put";
          return [{ key: "k", createdAt: 0, operation, ...stored } as KvRevision<never>];
        }),
      put: (_key, value, { timeoutMs = 5_000, revision = 0 } = {}) =>
        this.#ask(timeoutMs, () => {
          shelf.puts++;
          if (revision !== (shelf.stored?.revision ?? 0)) {
            throw new ConflictError("Somebody was faster");
          }
          return shelf.write(value);
        }),
      watch: ({ signal } = {}) => this.#watch(signal!) as KvWatch<never>,
    };
  }

  #ask<T>(timeoutMs: number, serve: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const timer = this.#clock.setTimer(
      timeoutMs,
      () => reject(new TimeoutError("There was no answer")),
    );
    if (this.state === "cut") return promise;
    const { state } = this;
    const run = () => {
      try {
        const answer = serve();
        if (state === "deaf") return;
        resolve(answer);
      } catch (error) {
        if (state !== "deaf") reject(error);
      }
      timer.cancel();
    };
    if (this.delayMs > 0) this.#clock.setTimer(this.delayMs, run);
    else queueMicrotask(run);
    return promise;
  }

  #watch(signal: AbortSignal): AsyncIterable<KvChange> {
    if (!this.mayWatch) throw new ClosedError("This user may not watch");
    const changes: KvChange[] = [];
    let wake = (): void => {};
    const end = this.#shelf.watch((change) => {
      if (!this.watches || this.state === "cut") return;
      changes.push(change);
      wake();
    });
    signal.addEventListener("abort", () => {
      end();
      wake();
    });
    return {
      async *[Symbol.asyncIterator]() {
        while (!signal.aborted) {
          const next = changes.shift();
          if (next !== undefined) yield next;
          else await new Promise<void>((resolve) => wake = resolve);
        }
      },
    };
  }
}

/** A candidate, with all that a test wants to know of it. */
export interface Stood {
  readonly election: Election;
  readonly clock: StandingClock;
  readonly line: Line;
  readonly changes: (number | undefined)[];
  /** Why each of its leaderships ended. */
  readonly ends: LeaseEnd[];
  readonly logs: LogLine[];
  /** Tells it what becomes of its bus. */
  status(status: BusStatus): void;
}

/** The times of tests. */
export const TIMES: FailoverPolicy = {
  electionTimeoutMs: 1_000,
  heartbeatIntervalMs: 200,
  retryIntervalMs: 50,
};

let lives = 0;

/** A candidate on a shelf; it does not stand before `election.start()`. */
export function candidate(
  shelf: Shelf,
  holder: string,
  options: { readonly clock?: StandingClock; readonly policy?: FailoverPolicy } = {},
): Stood {
  const { clock = new StandingClock(), policy = TIMES } = options;
  const line = new Line(shelf, clock);
  const changes: (number | undefined)[] = [];
  const ends: LeaseEnd[] = [];
  const logs: LogLine[] = [];
  const listeners = new Set<(status: BusStatus) => void>();
  const transport = {
    status: "connected" as BusStatus,
    onStatus(listener: (status: BusStatus) => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  const runtime = {
    clock,
    transport,
    logger: recordingLogger(logs),
    random: { uuid: () => `life-${++lives}` },
  } as unknown as Runtime;
  const election = new Election({
    runtime,
    name: "orders/default",
    kv: line.kv,
    key: "k",
    holder,
    policy,
    onLead: (token) => changes.push(token),
    onYield: (end) => {
      changes.push(undefined);
      ends.push(end);
    },
  });
  return {
    election,
    clock,
    line,
    changes,
    ends,
    logs,
    status(status) {
      transport.status = status;
      for (const listener of [...listeners]) listener(status);
    },
  };
}
