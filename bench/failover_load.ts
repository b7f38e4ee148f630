// Calls of a leader without a pause: how long none was answered, and which have failed.

import { AegisError, type Client } from "../mod.ts";
import type { Answer } from "./failover_contract.ts";

/** How often the leader is called, in milliseconds; its slow method where it is called too. */
const EVERY_MS = 2;
const SLOW_EVERY_MS = 5;
/** For how long a call waits: longer than an election, and not for as long as a leader is frozen. */
const TIMEOUT_MS = 4_000;

interface Failed {
  readonly begunAt: number;
  readonly code: string;
}

/** What calls have come to. */
export interface Outcome {
  /** The longest time between two answers, in milliseconds. */
  readonly gapMs: number;
  readonly answered: number;
  /** Calls that had begun before the next leader answered, and failed, by code. */
  readonly inHand: Readonly<Record<string, number>>;
  /** Calls that began after that, and failed, by code: there must be none. */
  readonly late: Readonly<Record<string, number>>;
}

/** The calls of one round. */
export class Load {
  readonly #client: Client;
  readonly #open = new Set<Promise<void>>();
  readonly #failures: Failed[] = [];
  #lastAt = performance.now();
  #gapMs = 0;
  #answered = 0;
  #first: Answer | undefined;
  #followedAt: number | undefined;
  #isOver = false;

  constructor(client: Client) {
    this.#client = client;
  }

  /** How many were answered. */
  get answered(): number {
    return this.#answered;
  }

  /** The process that leads as it begins. */
  get leader(): number | undefined {
    return this.#first?.[1];
  }

  /** When the next leader answered first. */
  get followedAt(): number | undefined {
    return this.#followedAt;
  }

  /** Calls until `end()`; slow methods too, if `isBusy`. */
  begin(isBusy: boolean): void {
    this.#lastAt = performance.now();
    void this.#every(EVERY_MS, "pay");
    if (isBusy) void this.#every(SLOW_EVERY_MS, "pay_slowly");
  }

  /** Calls no more; resolves when all calls have ended. */
  async end(): Promise<Outcome> {
    this.#isOver = true;
    await Promise.all(this.#open);
    const followedAt = this.#followedAt ?? Infinity;
    const [gapMs, answered] = [this.#gapMs, this.#answered];
    const failed = (isLate: boolean) =>
      tally(this.#failures.filter(({ begunAt }) => begunAt > followedAt === isLate));
    return { gapMs, answered, inHand: failed(false), late: failed(true) };
  }

  async #every(ms: number, method: string): Promise<void> {
    for (let next = performance.now(); !this.#isOver; next += ms) {
      const wait = next - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      const call = this.#call(method).finally(() => this.#open.delete(call));
      this.#open.add(call);
    }
  }

  async #call(method: string): Promise<void> {
    const begunAt = performance.now();
    try {
      const answer = await this.#client.call<Answer>("payments", method, {}, {
        timeoutMs: TIMEOUT_MS,
      });
      const now = performance.now();
      this.#gapMs = Math.max(this.#gapMs, now - this.#lastAt);
      this.#lastAt = now;
      this.#answered++;
      this.#first ??= answer;
      if (answer[0] > this.#first[0]) this.#followedAt ??= now;
    } catch (error) {
      this.#failures.push({ begunAt, code: AegisError.is(error) ? error.code : String(error) });
    }
  }
}

function tally(failures: readonly Failed[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { code } of failures) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}
