// Versions: which of two deployments is the newer one.

/**
 * Negative, zero or positive, as `a` is older than, as old as, or newer than `b`, by the order of Semantic Versioning:
 * numbers count as numbers, and what stands behind a dash makes it older. Versions of other shapes have an order too.
 */
export function compareVersions(a: string, b: string): number {
  const [one, other] = [parse(a), parse(b)];
  return compareLists(one.core, other.core) ||
    (one.pre.length === 0 ? 1 : 0) - (other.pre.length === 0 ? 1 : 0) ||
    compareLists(one.pre, other.pre);
}

interface Parsed {
  readonly core: readonly string[];
  readonly pre: readonly string[];
}

function parse(version: string): Parsed {
  // What stands behind a plus says how it was built, and nothing of its order.
  const [plain = ""] = version.replace(/^v/, "").split("+");
  const dash = plain.indexOf("-");
  const core = dash === -1 ? plain : plain.slice(0, dash);
  return {
    core: core.split("."),
    pre: dash === -1 ? [] : plain.slice(dash + 1).split("."),
  };
}

function compareLists(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [one, other] = [a[i], b[i]];
    if (one === undefined) return -1;
    if (other === undefined) return 1;
    const difference = comparePart(one, other);
    if (difference !== 0) return difference;
  }
  return 0;
}

function comparePart(a: string, b: string): number {
  const numbers = [a, b].map((part) => /^\d+$/.test(part));
  if (numbers[0] && numbers[1]) return compareNumbers(a, b);
  if (numbers[0] !== numbers[1]) return numbers[0] ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** By their digits: a time stamp of a build may be more than a `number` holds. */
function compareNumbers(a: string, b: string): number {
  const [one, other] = [a.replace(/^0+/, ""), b.replace(/^0+/, "")];
  return one.length - other.length || (one < other ? -1 : one > other ? 1 : 0);
}
