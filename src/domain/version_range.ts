// Ranges of versions: `^1.2`, `~1.2.0`, `>=1 <3`, `1.x`, `1.2 - 2`, `^1 || ^2`, as npm reads them.

import { show } from "./check.ts";
import { compareVersions } from "./version.ts";

/** What a version must be, compared with another one. */
interface Comparator {
  readonly operator: "<" | "<=" | ">" | ">=" | "=";
  /** A whole version, `1.2.3` or `1.2.3-rc.1`. */
  readonly version: string;
}

/** A range: one of the lists, of which every comparator holds. An empty list takes any version. */
export type VersionRange = readonly (readonly Comparator[])[];

const X = "[xX*]";
const PRE = "[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*";
/** Behind an `x` there is no number. */
const PARTIAL =
  `[v=\\s]*(${X}|\\d+)(?:\\.(${X}|(?<!${X}\\.)\\d+)(?:\\.(${X}|(?<!${X}\\.)\\d+)(?:-(${PRE}))?(?:\\+${PRE})?)?)?`;
const SIMPLE = new RegExp(`^(<=|>=|<|>|\\^|~>?|=|)\\s*${PARTIAL}$`);
const HYPHEN = new RegExp(`^${PARTIAL}\\s+-\\s+${PARTIAL}$`);
const WHOLE = new RegExp(`^v?(\\d+)(?:\\.(\\d+))?(?:\\.(\\d+)(?:-(${PRE}))?)?(?:\\+${PRE})?$`);
/** What no version is. */
const NOTHING: readonly Comparator[] = [{ operator: "<", version: "0.0.0-0" }];

/** A version of which the end may be left open. */
interface Partial {
  /** What of major, minor and patch is given, in this order. */
  readonly given: readonly number[];
  /** What stands behind the dash. */
  readonly pre: string | undefined;
}

/** Reads a range. @throws {TypeError} when it is none. */
export function parseRange(text: unknown): VersionRange {
  const alternatives = typeof text === "string" && text.length <= 256
    ? text.split("||").map((part) => parseAlternative(part.trim()))
    : [undefined];
  if (alternatives.every((comparators) => comparators !== undefined)) return alternatives;
  throw new TypeError(
    `Cannot use ${
      show(text)
    } as a range of versions: it must be one such as "^1.2", "~1.2.0", ">=1 <3", "1.x" or "1.2.3"`,
  );
}

/**
 * Whether a version is in a range. A version that is none in the sense of Semantic Versioning is in no range; one of which
 * the end is left out, such as `1.2`, has zeros there. One with a dash is in a range only where the range names one with a
 * dash of the same three numbers: nobody gets a release candidate without asking for it.
 */
export function inRange(version: string, range: VersionRange): boolean {
  const [, major, minor = "0", patch = "0", pre] = WHOLE.exec(version) ?? [];
  if (major === undefined) return false;
  const core = [major, minor, patch].map(Number).join(".");
  const whole = pre === undefined ? core : `${core}-${pre}`;
  return range.some((comparators) =>
    comparators.every((comparator) => holds(whole, comparator)) &&
    (pre === undefined || comparators.some((other) => other.version.startsWith(`${core}-`)))
  );
}

function holds(version: string, comparator: Comparator): boolean {
  const order = compareVersions(version, comparator.version);
  switch (comparator.operator) {
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    case ">=":
      return order >= 0;
    case "=":
      return order === 0;
  }
}

function parseAlternative(text: string): readonly Comparator[] | undefined {
  const hyphen = HYPHEN.exec(text);
  if (hyphen !== null) {
    const [from, to] = [partialOf(hyphen.slice(1, 5)), partialOf(hyphen.slice(5, 9))];
    return [...(from.given.length === 0 ? [] : [atLeast(from)]), ...upTo(to)];
  }
  if (text === "") return [];
  // An operator may stand apart from its version.
  const simple = text.replace(/([<>=^~])\s+/g, "$1").split(/\s+/).map(parseSimple);
  return simple.every((comparators) => comparators !== undefined) ? simple.flat() : undefined;
}

function parseSimple(text: string): readonly Comparator[] | undefined {
  const [, operator, ...parts] = SIMPLE.exec(text) ?? [];
  if (operator === undefined) return undefined;
  const partial = partialOf(parts);
  const { given } = partial;
  if (given.length === 0) return operator === "<" || operator === ">" ? NOTHING : [];
  const isWhole = given.length === 3;
  switch (operator) {
    case "<":
      return [{ operator, version: isWhole ? textOf(partial) : `${textOf(partial)}-0` }];
    case "<=":
      return upTo(partial);
    case ">":
      return isWhole
        ? [{ operator, version: textOf(partial) }]
        : [{ operator: ">=", version: after(given, given.length - 1) }];
    case ">=":
      return [atLeast(partial)];
    case "~":
    case "~>":
      return [atLeast(partial), before(given, Math.min(given.length - 1, 1))];
    case "^": {
      const first = given.findIndex((number) => number > 0);
      return [atLeast(partial), before(given, first === -1 ? given.length - 1 : first)];
    }
    default:
      return isWhole
        ? [{ operator: "=", version: textOf(partial) }]
        : [atLeast(partial), before(given, given.length - 1)];
  }
}

/** What stands for any number is left out, and whatever is behind it. */
function partialOf(parts: readonly (string | undefined)[]): Partial {
  const numbers = parts.slice(0, 3).map((part) => /^\d+$/.test(part ?? "") ? Number(part) : -1);
  const open = numbers.indexOf(-1);
  return open === -1
    ? { given: numbers, pre: parts[3] }
    : { given: numbers.slice(0, open), pre: undefined };
}

function textOf({ given, pre }: Partial): string {
  const core = [given[0] ?? 0, given[1] ?? 0, given[2] ?? 0].join(".");
  return pre === undefined ? core : `${core}-${pre}`;
}

function atLeast(partial: Partial): Comparator {
  return { operator: ">=", version: textOf(partial) };
}

/** Not beyond it; of one whose end is open, all that it may be. */
function upTo(partial: Partial): readonly Comparator[] {
  const { given } = partial;
  if (given.length === 0) return [];
  return given.length === 3
    ? [{ operator: "<=", version: textOf(partial) }]
    : [before(given, given.length - 1)];
}

/** Before the next version in which the number at `place` is another one; its release candidates are not before it. */
function before(given: readonly number[], place: number): Comparator {
  return { operator: "<", version: `${after(given, place)}-0` };
}

function after(given: readonly number[], place: number): string {
  return [0, 1, 2].map((at) => at < place ? given[at] : at === place ? given[at]! + 1 : 0)
    .join(".");
}
