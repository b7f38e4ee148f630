// What instances note of their leadership in one file, whose order is that of true time, and what must hold of it.

import { readFileSync } from "node:fs";

/** The shared record, and the bucket that it is in. */
export const LEDGER = "ledger";

/** The shared record: who wrote it last, with which token, and how often it was written. */
export interface Ledger {
  readonly token: number;
  readonly count: number;
  readonly who: string;
}

/** One line. */
export interface Note {
  readonly what: "leads" | "yields" | "acts" | "late";
  readonly who: string;
  readonly token: number;
  /** What tells an act from others, by the writer's clock. */
  readonly mark: number;
  /** When it was written, in milliseconds since the epoch. */
  readonly at: number;
}

/** A line of the file. */
export function lineOf(what: Note["what"], who: string, token: number, mark: number): string {
  return `${what} ${who} ${token} ${mark} ${Date.now()}\n`;
}

/** All lines, in the order in which they were written. */
export function notesOf(file: string): Note[] {
  const lines = readFileSync(file, "utf8").split("\n");
  lines.pop(); // what stands behind the last line break was cut off
  return lines.map((line) => {
    const [what, who, token, mark, at] = line.split(" ");
    return {
      what: what as Note["what"],
      who: who!,
      token: Number(token),
      mark: Number(mark),
      at: Number(at),
    };
  });
}

/** Where somebody acted as the leader after another one had, with a higher token: none of it may be. */
export function setbacks(notes: readonly Note[]): string[] {
  const late = new Set(
    notes.filter(({ what }) => what === "late").map(({ who, mark }) => `${who} ${mark}`),
  );
  const found: string[] = [];
  let highest: Note | undefined;
  for (const note of notes) {
    if (note.what !== "acts" || late.has(`${note.who} ${note.mark}`)) continue;
    const { who, token } = note;
    if (highest !== undefined && token < highest.token) {
      found.push(`${who} acted with token ${token} after ${highest.who} had with ${highest.token}`);
    }
    if (highest !== undefined && token === highest.token && who !== highest.who) {
      found.push(`${who} and ${highest.who} acted with token ${token}`);
    }
    if (highest === undefined || token > highest.token) highest = note;
  }
  return found;
}

/** The leaders in the order in which they acted. */
export function leadersOf(
  notes: readonly Note[],
): { readonly who: string; readonly token: number }[] {
  const leaders: { who: string; token: number }[] = [];
  for (const { what, who, token } of notes) {
    if (what === "acts" && leaders.at(-1)?.token !== token) leaders.push({ who, token });
  }
  return leaders;
}
