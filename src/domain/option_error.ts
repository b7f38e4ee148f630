// What is said about an option that is not as it must be.

import type { BaseIssue } from "valibot";
import { suggest } from "./suggest.ts";
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
    return new TypeError(`connect(): there is no option "${path}"; ${suggest(path, known)}`);
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
