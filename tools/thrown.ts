// The errors that source makes: the code of each, and the message that it is made with.

import { codeOnly } from "./source_text.ts";

/** An error that is made somewhere. */
export interface Thrown {
  /** Its code; `""` of a `TypeError` or `RangeError`, which have none; undefined where it is told at run time. */
  readonly code: string | undefined;
  /** What it is made with, as it is written, blanks and line breaks as one blank. */
  readonly made: string;
}

/** The code that a class has by itself. */
const CODES: Readonly<Record<string, string>> = {
  TypeError: "",
  RangeError: "",
  ClosedError: "CLOSED",
  ConflictError: "CONFLICT",
  NotActiveError: "NOT_ACTIVE",
  QueueFullError: "QUEUE_FULL",
  SerializationError: "SERIALIZATION",
  TimeoutError: "TIMEOUT",
  UnavailableError: "SERVICE_UNAVAILABLE",
  ValidationError: "INVALID_REQUEST",
};

/** Classes that are given a code. */
const CODELESS: readonly string[] = ["AegisError", "CommandError", "RpcError"];

/** The errors in `source` with words of their own; others repeat those of a cause, or of another process. */
export function thrownIn(source: string): Thrown[] {
  const code = codeOnly(source);
  const thrown: Thrown[] = [];
  for (const { 0: opening, 1: name = "", index } of code.matchAll(/\bnew (\w+Error)\(/g)) {
    const start = index + opening.length;
    const made = source.slice(start, closingOf(code, start)).replace(/\s+/g, " ");
    if (!(name in CODES) && !CODELESS.includes(name)) continue;
    // Its reason has its words elsewhere, or all of them have.
    const own = made.replace(/\$\{[^{}]*\}/g, "$").replace("Cannot ", "");
    if (/: \$+`/.test(own) || !/["'`][^"'`]*\w [^"'`]*\w[^"'`]*["'`]/.test(own)) continue;
    const given = /^ ?"([A-Z][A-Z0-9_]+)"|\bcode: "([A-Z][A-Z0-9_]+)"/.exec(made);
    const of = /[{,] code,/.test(made) ? undefined : given?.[1] ?? given?.[2] ?? CODES[name];
    thrown.push({ code: of, made });
  }
  return thrown;
}

/** Where the bracket closes that was opened before `start`. */
function closingOf(code: string, start: number): number {
  let depth = 1;
  for (let at = start; at < code.length; at++) {
    if ("([{".includes(code[at]!)) depth++;
    else if (")]}".includes(code[at]!) && --depth === 0) return at;
  }
  return code.length;
}
