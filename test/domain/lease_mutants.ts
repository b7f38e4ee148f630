// Elections with one fault each, which the simulation has to find: without that it would prove nothing.

import { stepLease } from "../../src/domain/lease.ts";
import type { FailoverPolicy } from "../../src/domain/lease_policy.ts";
import { type LeaseState, newLease } from "../../src/domain/lease_state.ts";
import type { LeaseSimulationOptions, Step } from "./lease_simulation.ts";

/** What is wrong with each. */
export const MUTANTS: Readonly<Record<string, LeaseSimulationOptions>> = {
  "no margin": created((state, { electionTimeoutMs }) => ({
    ...state,
    rightMs: electionTimeoutMs,
    waitFactor: 1,
  })),
  "a leader without margin": created((state, policy) => ({
    ...state,
    rightMs: policy.electionTimeoutMs,
  })),
  "waiting without margin": created((state) => ({ ...state, waitFactor: 1 })),
  "a right from after the write": {
    step: (state, observation, now) => {
      const attempts = state.attempts.map((attempt) => ({ ...attempt, sentAt: now }));
      return stepLease({ ...state, attempts }, observation, now);
    },
  },
  "an unanswered write counted as stored": {
    step: (state, observation, now) => {
      const { pending } = state;
      if (observation.kind !== "unknown" || pending === undefined) {
        return stepLease(state, observation, now);
      }
      const { write, revision } = pending;
      return stepLease(state, { kind: "stored", write, revision: revision + 1 }, now);
    },
  },
  "a right that is taken for granted between timers": { trusting: true },
  "a sleep of the machine that nobody heeds": {
    step: (state, observation, now) =>
      stepLease(state, observation.kind === "slept" ? { kind: "timer" } : observation, now),
  },
  "a sleep of the machine that a write under way is not older for": {
    step: (state, observation, now) => {
      const result = stepLease(state, observation, now);
      if (observation.kind !== "slept") return result;
      const { attempts, pending } = state;
      return { ...result, state: { ...result.state, attempts, pending } };
    },
  },
  "one's own lease waited for instead of the holder's": seeing(({ seen, policy, waitFactor }) =>
    seen!.waitMs === 0 ? 0 : policy.electionTimeoutMs * waitFactor
  ),
  "a removed or spoiled record taken for free": seeing(({ seen }) =>
    typeof seen!.content === "object" ? seen!.waitMs : 0
  ),
  "leading on after the lease was given up": {
    step: (state, observation, now) => {
      const result = stepLease(state, observation, now);
      if (observation.kind !== "stop" || state.right === undefined) return result;
      const actions = result.actions.filter(({ kind }) => kind !== "yield");
      return { ...result, actions, state: { ...result.state, right: state.right } };
    },
  },
  "a wait that goes on from one revision to the next": {
    step: (state, observation, now) => {
      const result = stepLease(state, observation, now);
      const { seen } = result.state;
      if (seen === undefined || state.seen === undefined) return result;
      return { ...result, state: { ...result.state, seen: { ...seen, at: state.seen.at } } };
    },
  },
  "nobody who tries again": {
    step: (state, observation, now) =>
      observation.kind === "unread"
        ? { state: { ...state, readAt: Infinity, reading: false }, actions: [], dueAt: undefined }
        : stepLease(state, observation, now),
  },
};

function created(
  change: (state: LeaseState, policy: FailoverPolicy) => LeaseState,
): LeaseSimulationOptions {
  return {
    create: (holder, writer, policy) => change(newLease(holder, writer, policy), policy),
  };
}

/** A fault in for how long what is seen must be waited for. */
function seeing(waitMs: (state: LeaseState) => number): { readonly step: Step } {
  return {
    step: (before, observation, now) => {
      const result = stepLease(before, observation, now);
      const { state } = result;
      if (state.seen === undefined) return result;
      if (state.seen === before.seen || state.right !== undefined) return result;
      const seen = { ...state.seen, waitMs: waitMs(state) };
      const dueAt = Math.min(result.dueAt ?? Infinity, seen.at + seen.waitMs);
      return { ...result, state: { ...state, seen }, dueAt };
    },
  };
}
