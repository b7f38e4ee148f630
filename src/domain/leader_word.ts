// The word of a leader: that it leads a group of its service, as a header tells callers.

import { isName, MAX_ID } from "./subject.ts";

/** Who leads a group. */
export interface Leadership {
  /** The fencing token: of two words the one with the higher one is newer. */
  readonly token: number;
  /** The instance. */
  readonly instanceId: string;
}

/** What an instance says of the group that it stands in. */
export interface LeaderWord {
  /** The group. */
  readonly group: string;
  /** Itself, if it leads. An instance that stands by names nobody: what it knows may be old. */
  readonly leader: Leadership | undefined;
}

/** The body of a question that leaders alone answer; to one with another body, such as none, those that stand by do too. */
export const LEADER_QUESTION = "leader";

const WORD = new RegExp(
  `^([a-zA-Z0-9_-]{1,128})(?: ([1-9][0-9]{0,15}) ([a-zA-Z0-9_-]{1,${MAX_ID}}))?$`,
);

/** A word as a header has it: the group, and of the leader its token and its id, with spaces between. */
export function leaderWord(group: string, leader?: Leadership): string {
  return leader === undefined ? group : `${group} ${leader.token} ${leader.instanceId}`;
}

/** The body of an answer to the question who leads: the methods that are the leader's. */
export function ledMethods(methods: readonly string[]): string {
  return JSON.stringify({ methods });
}

/** The methods that such a body names; none where it is another one. */
export function readLedMethods(text: string): string[] {
  try {
    const { methods } = JSON.parse(text) as { readonly methods?: unknown };
    return Array.isArray(methods) ? methods.filter(isName) : [];
  } catch {
    // Somebody answers who is no instance: it names nothing.
    return [];
  }
}

/** The word that a header holds; undefined where it is none, as of those who only say that there is a leader. */
export function readLeaderWord(text: string): LeaderWord | undefined {
  const [, group, digits, instanceId] = WORD.exec(text) ?? [];
  if (group === undefined) return undefined;
  if (digits === undefined || instanceId === undefined) return { group, leader: undefined };
  const token = Number(digits);
  return Number.isSafeInteger(token) ? { group, leader: { token, instanceId } } : undefined;
}
