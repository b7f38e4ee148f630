// The series of one metric: finds the cell that a set of labels counts into, fast and within bounds.

import type { Labels } from "../../ports/metrics.ts";

const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const NO_LABELS: Labels = Object.freeze({});
const OVERFLOW: Labels = Object.freeze({ overflow: "true" });
const OVERFLOW_KEY = keyOf(OVERFLOW);

/** What a metric can be. */
export type Kind = "counter" | "gauge" | "summary";

/** One series: its labels, sorted by name, and what is counted into. */
export interface Cell<T> {
  /** The labels. */
  readonly labels: Labels;
  /** A number in a box, or a histogram. */
  readonly value: T;
}

/** The same text for the same labels in any order. */
function keyOf(labels: Labels): string {
  const names = Object.keys(labels).sort();
  return JSON.stringify(names.map((name) => [name, String(labels[name])]));
}

/** The labels with their names in order, checked; a copy that nobody else can change. */
function ordered(metric: string, kind: Kind, labels: Labels): Labels {
  const copy: Record<string, string> = {};
  for (const name of Object.keys(labels).sort()) {
    if (!LABEL_NAME.test(name) || name.startsWith("__")) {
      throw new RangeError(
        `Metric "${metric}" has the label "${name}": a label's name is letters, digits and "_", begins with no digit ` +
          `and not with "__"`,
      );
    }
    if (kind === "summary" && name === "quantile") {
      throw new RangeError(
        `Metric "${metric}" has the label "quantile", which summaries use themselves`,
      );
    }
    copy[name] = String(labels[name]);
  }
  return Object.freeze(copy);
}

/** Every series of one metric. */
export class SeriesSet<T> {
  /** The metric's name. */
  readonly name: string;
  /** What the metric is. */
  readonly kind: Kind;
  readonly #make: () => T;
  readonly #limit: number;
  readonly #byKey = new Map<string, Cell<T>>();
  // Callers on hot paths pass the same frozen object again: it leads to its cell without a look at its labels.
  readonly #byIdentity = new WeakMap<Labels, Cell<T>>();
  #bare: Cell<T> | undefined;

  constructor(name: string, kind: Kind, limit: number, make: () => T) {
    this.name = name;
    this.kind = kind;
    this.#limit = limit;
    this.#make = make;
  }

  /** What is counted into for `labels`; made when it is new. */
  at(labels: Labels | undefined): T {
    if (labels === undefined) return (this.#bare ??= this.#find(NO_LABELS)).value;
    return (this.#byIdentity.get(labels) ?? this.#remember(labels)).value;
  }

  /** Every series, in the order of their making. */
  cells(): Iterable<Cell<T>> {
    return this.#byKey.values();
  }

  #remember(labels: Labels): Cell<T> {
    const cell = this.#find(labels);
    // What is not frozen may have other labels the next time.
    if (Object.isFrozen(labels)) this.#byIdentity.set(labels, cell);
    return cell;
  }

  #find(labels: Labels): Cell<T> {
    const key = keyOf(labels);
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const checked = ordered(this.name, this.kind, labels);
    if (this.#byKey.size < this.#limit) return this.#add(key, checked);
    return this.#byKey.get(OVERFLOW_KEY) ?? this.#add(OVERFLOW_KEY, OVERFLOW);
  }

  #add(key: string, labels: Labels): Cell<T> {
    const cell = { labels, value: this.#make() };
    this.#byKey.set(key, cell);
    return cell;
  }
}
