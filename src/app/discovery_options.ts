// Options of lookups, and the checks of them.

import { assertKeys, assertTimeout, show } from "../domain/check.ts";
import { isRecord } from "../domain/envelope.ts";
import { assertStrategy, type SelectStrategy } from "../domain/selection.ts";

/** Options of `discovery.discover()`. */
export interface DiscoverOptions {
  /** Whether those of status `UNHEALTHY` are left out. @default {false} */
  readonly onlyHealthy?: boolean;
  /**
   * A range that their versions must be in, such as `"^1.2"`, `"~1.2.0"`, `">=1 <3"` or `"1.x"`, as npm reads it. A
   * version that is none in the sense of Semantic Versioning is in no range. Any version fits where this is left out.
   */
  readonly version?: string;
  /** How long the first lookup on a bus may wait for the registry, in milliseconds; later ones do not wait. @default {5000} */
  readonly timeoutMs?: number;
  /** Ends the lookup with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Options of `discovery.select()`. */
export interface SelectOptions extends DiscoverOptions {
  /** How one is chosen: each in turn, by chance, the one that `key` belongs to, or the one with least to do. @default {"round_robin"} */
  readonly strategy?: SelectStrategy;
  /** What `sticky` goes by: the same key gives the same instance for as long as that is there. */
  readonly key?: string;
  /** Whether those of status `UNHEALTHY` are left out, and stand-bys where another one serves. @default {true} */
  readonly onlyHealthy?: boolean;
}

/** Options of `discovery.watch()`. */
export interface WatchOptions {
  /** Ends the watch, and the loop over it. */
  readonly signal?: AbortSignal;
}

const DISCOVER = ["onlyHealthy", "version", "timeoutMs", "signal"];

/** Checks the options of discover(), but for the range. @throws {TypeError | RangeError} naming what cannot be. */
export function checkDiscoverOptions(options: DiscoverOptions): void {
  assertOptions(options, DISCOVER, "of discover()");
  checkLookup(options, "of discover()");
}

/** Checks the options of select(), but for the range. @throws {TypeError | RangeError} naming what cannot be. */
export function checkSelectOptions(options: SelectOptions): void {
  assertOptions(options, [...DISCOVER, "strategy", "key"], "of select()");
  checkLookup(options, "of select()");
  assertStrategy(options.strategy, options.key, "of select()", "strategy");
}

/** Checks the options of watch(). @throws {TypeError} naming what cannot be. */
export function checkWatchOptions(options: WatchOptions): void {
  assertOptions(options, ["signal"], "of watch()");
  assertSignal(options.signal, "of watch()");
}

function assertOptions(options: unknown, allowed: readonly string[], where: string): void {
  if (!isRecord(options)) {
    throw new TypeError(`Cannot use ${show(options)} as the options ${where}: they are an object`);
  }
  assertKeys(options, allowed, where);
}

function checkLookup(options: DiscoverOptions, where: string): void {
  const { onlyHealthy, version, timeoutMs, signal } = options;
  if (onlyHealthy !== undefined && typeof onlyHealthy !== "boolean") {
    throw new TypeError(
      `Cannot use ${show(onlyHealthy)} as option "onlyHealthy" ${where}: it must be a boolean`,
    );
  }
  if (version !== undefined && typeof version !== "string") {
    throw new TypeError(
      `Cannot use ${show(version)} as option "version" ${where}: it must be a range of versions`,
    );
  }
  if (timeoutMs !== undefined) assertTimeout(timeoutMs, `option "timeoutMs" ${where}`);
  assertSignal(signal, where);
}

function assertSignal(signal: unknown, where: string): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw new TypeError(
    `Cannot use ${show(signal)} as option "signal" ${where}: it must be an AbortSignal`,
  );
}
