// A handler that notes each of its steps in a file, so that it is seen whether two attempts of a command ran at once.

import { openSync, readFileSync, writeSync } from "node:fs";
import process from "node:process";
import { command, type CommandHandler, type CommandOptions } from "../../mod.ts";

/** One line of the notes. */
export interface Note {
  /** When, in milliseconds since the epoch on the clock that all processes of the machine have. */
  readonly at: number;
  readonly what: "begin" | "step" | "abort" | "end";
  readonly id: string;
  readonly attempt: number;
  /** The instance. */
  readonly who: string;
}

/** What is to be done. */
export interface Steps {
  /** How long it takes. */
  readonly ms: number;
  /** Whether the process dies over it. */
  readonly die?: boolean;
  /** Whether its handler cares for no signal. */
  readonly stubborn?: boolean;
}

/** The handler "steps", which notes in `file` what it does. */
export function steps(
  file: string,
  who: string,
  options: Pick<CommandOptions, "ackWaitMs" | "concurrency"> = {},
): CommandHandler {
  const notes = openSync(file, "a");
  const retry = { initialDelayMs: 1, maxDelayMs: 2 };
  return command("steps", { ...options, retry }, async ({ id, payload }, ctx) => {
    const { ms, die = false, stubborn = false } = payload as Steps;
    // As a program may do that does not look at the context again.
    const { signal } = ctx;
    const note = (what: Note["what"]) =>
      writeSync(notes, `${Date.now()} ${what} ${id} ${ctx.attempt} ${who}\n`);
    note("begin");
    if (die) process.kill(process.pid, "SIGKILL");
    for (const end = performance.now() + ms; performance.now() < end;) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      if (stubborn) continue;
      if (signal.aborted) {
        note("abort");
        throw signal.reason;
      }
      note("step");
    }
    if (!stubborn) note("end");
    return who;
  });
}

/** What was noted so far. */
export function notesOf(file: string): Note[] {
  return readFileSync(file, "utf8").split("\n").filter((line) => line !== "").map((line) => {
    const [at, what, id, attempt, who] = line.split(" ");
    return {
      at: Number(at),
      what: what as Note["what"],
      id: id!,
      attempt: Number(attempt),
      who: who!,
    };
  });
}

/** Of each command, whatever was done of one attempt after another one had begun. */
export function overlaps(notes: readonly Note[]): Note[] {
  const found: Note[] = [];
  for (const begin of notes) {
    if (begin.what !== "begin") continue;
    // That it is aborted a process that was frozen notices when it is awake again.
    found.push(
      ...notes.filter(({ id, attempt, who, at, what }) =>
        id === begin.id && at > begin.at && what !== "abort" &&
        (attempt < begin.attempt || (attempt === begin.attempt && who !== begin.who))
      ),
    );
  }
  return found;
}
