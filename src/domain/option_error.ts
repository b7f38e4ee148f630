// What is said about an option that is not as it must be.

import type { BaseIssue } from "valibot";
import { redactUrl } from "./server_url.ts";

/** What an error says about names. */
export interface OptionNames {
  /** How the option at a path is called where it was given. */
  readonly nameOf: (path: string) => string;
  /** The options that there are. */
  readonly known: readonly string[];
  /** The options of `tls` that there are. */
  readonly knownTls: readonly string[];
}

const HIDDEN = new Set(["token", "pass", "creds", "nkeySeed"]);

/**
 * The error of the first thing that valibot found. The issue's message is what is allowed, to complete "must be …":
 * a `RangeError` for a number out of its range, and a `TypeError` for anything else.
 */
export function optionError(issue: BaseIssue<unknown>, names: OptionNames): Error {
  const keys = (issue.path ?? []).map((item) => item.key).filter((key) => typeof key === "string");
  const path = keys.join(".");
  if (issue.type === "strict_object" && issue.expected === "never") {
    const known = keys.length > 1 ? names.knownTls.map((key) => `tls.${key}`) : names.known;
    const meant = nearest(path, known);
    return new TypeError(
      `connect(): there is no option "${path}"; ` +
        (meant === undefined ? `there are ${known.join(", ")}` : `did you mean "${meant}"?`),
    );
  }
  const value = HIDDEN.has(path) ? "(hidden)" : describe(issue.input, path === "servers");
  const message = `connect(): ${names.nameOf(path)} must be ${issue.message}, not ${value}`;
  return typeof issue.input === "number" && issue.kind === "validation"
    ? new RangeError(message)
    : new TypeError(message);
}

/** The error of two options that exclude each other. */
export function conflict(one: string, other: string): TypeError {
  return new TypeError(`connect(): ${one} and ${other} exclude each other; give one of them`);
}

/** The error of an option that makes no sense without another. */
export function lacks(given: string, missing: string): TypeError {
  return new TypeError(`connect(): ${given} is given without ${missing}; give both or none`);
}

/** A value in few words. What a caller puts in the wrong place may be a secret, so that of objects none is shown. */
function describe(value: unknown, url: boolean): string {
  if (typeof value === "string") {
    const shown = url ? redactUrl(value) : value;
    return JSON.stringify(shown.length > 80 ? `${shown.slice(0, 80)}…` : shown);
  }
  if (value === null || typeof value === "number" || typeof value === "boolean") return `${value}`;
  if (typeof value === "bigint") return `${value}n`;
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object of another shape" : `a ${typeof value}`;
}

/** The name that `word` is most like, if it is like any: at most a third of its letters differ. */
function nearest(word: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const name of names) {
    const changes = distance(word.toLowerCase(), name.toLowerCase());
    if (changes < least) [best, least] = [name, changes];
  }
  return best;
}

/** How many letters must be added, taken away or replaced to make one word of the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(
        row[j]! + 1,
        next[j - 1]! + 1,
        row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
    }
    row = next;
  }
  return row[b.length]!;
}
