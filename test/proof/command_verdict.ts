// The verdict on the proof of commands: what was noted and recorded, counted, and whatever is not as it must be.

import type { CommandRecord, CommandState } from "../../mod.ts";
import { isFinal } from "../../src/domain/command_record.ts";
import type { Written } from "./command_history.ts";
import { type Step, WAYS } from "./command_steps.ts";

/** A command that was sent, as its sender knows it. */
export interface Sent {
  readonly id: string;
  readonly step: Step;
  /** How it ended, by `result()`; undefined where that did not settle. */
  readonly ended: CommandState | undefined;
  /** What it came to. */
  readonly result: unknown;
  /** What cancelling it gave. */
  readonly cancelled: CommandRecord | undefined;
}

/** An attempt as it was noted. */
export interface Attempt {
  readonly number: number;
  readonly begin: number;
  readonly end: number;
  /** Whether its process was killed meanwhile. */
  readonly killed: boolean;
}

/** What there is to judge. */
export interface Evidence {
  readonly sent: readonly Sent[];
  /** By token. */
  readonly history: ReadonlyMap<string, readonly Written[]>;
  /** By id. */
  readonly attempts: ReadonlyMap<string, readonly Attempt[]>;
  /** The subjects of what is left in the queue. */
  readonly left: readonly string[];
}

/** What came of it. */
export interface Verdict {
  /** How many ended in which state. */
  readonly states: Readonly<Record<string, number>>;
  /** How many attempts have begun. */
  readonly attempts: number;
  /** How many commands had more than one. */
  readonly retried: number;
  /** How many attempts ended with their process. */
  readonly crashed: number;
  /** The most that one command had. */
  readonly most: number;
  /** What is not as it must be, a sentence each. */
  readonly faults: readonly string[];
}

/** Judges. */
export function judge({ sent, history, attempts, left }: Evidence): Verdict {
  const faults: string[] = [];
  const states: Record<string, number> = {};
  for (const one of sent) {
    const written = history.get(one.id) ?? [];
    const last = written.at(-1)?.record;
    const state = last?.state ?? "none";
    states[state] = (states[state] ?? 0) + 1;
    faults.push(...faultsOf(one, written, attempts.get(one.id) ?? []));
  }
  if (left.length > 0) faults.push(`left in the queue: ${left.slice(0, 10).join(", ")}`);
  let begun = 0, retried = 0, crashed = 0, most = 0;
  for (const [id, list] of attempts) {
    begun += list.length;
    if (list.length > 1) retried++;
    crashed += list.filter(({ killed }) => killed).length;
    most = Math.max(most, list.length);
    const overlap = overlapOf(list);
    if (overlap === undefined) continue;
    const records = (history.get(id) ?? []).map(({ record, storedAt }) =>
      `${record.state} ${record.attempts} by ${record.instanceId ?? "nobody"} at ${storedAt}`
    );
    faults.push(`${id} ran twice at the same time: ${overlap}; its records: ${records.join(", ")}`);
  }
  return { states, attempts: begun, retried, crashed, most, faults };
}

/** What is wrong with one command. */
function faultsOf(
  { id, step, ended, result, cancelled }: Sent,
  written: readonly Written[],
  attempts: readonly Attempt[],
): string[] {
  const last = written.at(-1);
  if (last === undefined) return [`${id} (${step.kind}) has no record`];
  const { record } = last;
  const faults: string[] = [];
  const fault = (text: string): void => {
    const states = written.map(({ record }) => record.state).join(", ");
    faults.push(`${id} (${step.kind}) ${text}; its records: ${states}`);
  };
  if (!isFinal(record.state)) fault(`is ${record.state}`);
  else if (!WAYS[step.kind].ends.includes(record.state)) fault(`ended as ${record.state}`);
  const finals = written.filter(({ record }) => isFinal(record.state)).length;
  if (finals > 1) fault(`has ended ${finals} times`);
  if (ended !== record.state) fault(`was ${ended ?? "nothing"} to its sender`);
  if (record.state === "completed") {
    for (const is of [result, record.result]) {
      if ((is as { readonly n?: unknown } | undefined)?.n !== step.n) {
        fault(`came to ${JSON.stringify(is)}`);
      }
    }
    if (attempts.length === 0) fault("was completed and never begun");
  }
  if (cancelled !== undefined && isFinal(cancelled.state) && cancelled.state !== record.state) {
    fault(`was ${cancelled.state} when it was cancelled`);
  }
  if (attempts.length > record.attempts) {
    fault(`has begun ${attempts.length} times, and counts ${record.attempts}`);
  }
  const late = attempts.find(({ begin }) => begin > last.storedAt);
  // Who claims and who cancels may cross each other on their ways.
  if (late !== undefined && record.state !== "cancelled") {
    fault(`has begun ${late.begin - last.storedAt} ms after its end`);
  }
  return faults;
}

function overlapOf(attempts: readonly Attempt[]): string | undefined {
  const sorted = attempts.toSorted((a, b) => a.begin - b.begin || a.number - b.number);
  for (let i = 1; i < sorted.length; i++) {
    const [before, after] = [sorted[i - 1]!, sorted[i]!];
    if (after.begin < before.end) {
      return `attempt ${before.number} until ${before.end}, attempt ${after.number} from ${after.begin}`;
    }
  }
  return undefined;
}

/** The attempts by the notes of all instances. */
export function attemptsOf(
  notes: ReadonlyMap<string, readonly (readonly string[])[]>,
  killedAt: ReadonlyMap<string, number>,
): Map<string, Attempt[]> {
  const attempts = new Map<string, Attempt[]>();
  for (const [file, lines] of notes) {
    const open = new Map<string, number>();
    const add = (key: string, begin: number, end: number, killed: boolean): void => {
      const [id = "", number = ""] = key.split(" ");
      const list = attempts.get(id) ?? [];
      list.push({ number: Number(number), begin, end, killed });
      attempts.set(id, list);
    };
    for (const [what, id, number, at] of lines) {
      const key = `${id} ${number}`;
      const begin = open.get(key);
      if (what === "begin") open.set(key, Number(at));
      else if (begin !== undefined) {
        open.delete(key);
        add(key, begin, Number(at), false);
      }
    }
    // What has no end ended with its process.
    const end = killedAt.get(file);
    for (const [key, begin] of open) {
      add(key, begin, Math.max(begin, end ?? Infinity), end !== undefined);
    }
  }
  return attempts;
}
