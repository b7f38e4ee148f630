// The commands of the proof: what each is to do, and how it is to end.

import type { CommandState } from "../../mod.ts";

/** What a command is to do. */
export type Kind =
  /** Returns at once. */
  | "fast"
  /** Takes its time, some longer than the ack wait. */
  | "slow"
  /** Fails at first. */
  | "flaky"
  /** Fails as often as it is tried. */
  | "failing"
  /** Fails, and says that there is no use in trying again. */
  | "final"
  /** Takes longer than it may. */
  | "late"
  /** Is taken back by its sender, at some time. */
  | "cancelled";

/** What is sent. */
export interface Step {
  /** Its number. */
  readonly n: number;
  /** What it is to do. */
  readonly kind: Kind;
  /** How long it takes, in milliseconds. */
  readonly ms: number;
  /** How many of its attempts fail. */
  readonly fails: number;
}

/** How a kind is sent. */
export interface Way {
  /** How many of a hundred are of this kind. */
  readonly share: number;
  /** How it is to end; where two are there, the sender cannot tell which it will be. */
  readonly ends: readonly CommandState[];
  readonly timeoutMs: number;
  readonly maxRetries: number;
}

const MINUTES = 300_000;
/** More than there are kills, so that no command ends for want of attempts that were not its own. */
const MANY = 1_000;

/** All kinds. */
export const WAYS: Readonly<Record<Kind, Way>> = {
  fast: { share: 68, ends: ["completed"], timeoutMs: MINUTES, maxRetries: MANY },
  slow: { share: 12, ends: ["completed"], timeoutMs: MINUTES, maxRetries: MANY },
  flaky: { share: 8, ends: ["completed"], timeoutMs: MINUTES, maxRetries: MANY },
  failing: { share: 2, ends: ["failed"], timeoutMs: MINUTES, maxRetries: 2 },
  final: { share: 2, ends: ["failed"], timeoutMs: MINUTES, maxRetries: MANY },
  late: { share: 2, ends: ["timed_out"], timeoutMs: 250, maxRetries: MANY },
  cancelled: {
    share: 6,
    ends: ["cancelled", "completed"],
    timeoutMs: MINUTES,
    maxRetries: MANY,
  },
};

/** Step number `n`, the same each time but for how long it takes. */
export function stepOf(n: number, ackWaitMs: number): Step {
  const kind = kindOf(n);
  return { n, kind, ms: durationOf(kind, n, ackWaitMs), fails: kind === "flaky" ? 1 + n % 2 : 0 };
}

function kindOf(n: number): Kind {
  // 37 has no factor of 100: each hundred has all kinds in their shares, well mixed.
  let rest = n * 37 % 100;
  for (const [kind, { share }] of Object.entries(WAYS)) {
    if (rest < share) return kind as Kind;
    rest -= share;
  }
  throw new Error("The shares of the kinds are less than a hundred");
}

function durationOf(kind: Kind, n: number, ackWaitMs: number): number {
  switch (kind) {
    case "slow":
      return n % 5 === 0 ? ackWaitMs * 1.5 : 20 + Math.random() * 300;
    case "late":
      return MINUTES;
    case "cancelled":
      return Math.random() * 400;
    default:
      return 0;
  }
}
