// Options of the registry, and the checks of them.

import { assertKeys, assertTimeout, show } from "../domain/check.ts";
import { isRecord } from "../domain/envelope.ts";
import { isReadable, RESERVED_METADATA } from "../domain/instance.ts";
import { jsonBytes, MAX_METADATA_BYTES } from "../domain/instance_fit.ts";

/** How an instance is kept in the registry. */
export interface RegistryOptions {
  /**
   * How long its record outlives its last heartbeat, in milliseconds, from 1,000 to a day: so long others take an instance
   * for one that is there after its process was killed or lost the network.
   *
   * @default {15000, or three times `heartbeatIntervalMs`, and 1000 at least}
   */
  readonly ttlMs?: number;
  /**
   * How often it writes its record, in milliseconds, at most half of `ttlMs`, so that one that is lost does no harm.
   *
   * @default {a third of `ttlMs`}
   */
  readonly heartbeatIntervalMs?: number;
}

/** The options of the registry, complete. */
export type RegistrySettings = Required<RegistryOptions>;

const DEFAULT_TTL_MS = 15_000;
/** Servers refuse shorter ones. */
const MIN_TTL_MS = 1_000;
const MAX_TTL_MS = 86_400_000;
const MIN_INTERVAL_MS = 100;
/** How many levels deep in a record it stands. */
const METADATA_DEPTH = 1;

/**
 * The settings of the registry; undefined where it is off.
 *
 * @throws {TypeError | RangeError} naming what cannot be.
 */
export function registrySettings(options: unknown, where: string): RegistrySettings | undefined {
  if (options === false) return undefined;
  if (options !== undefined && !isRecord(options)) {
    throw new TypeError(
      `Cannot use ${
        show(options)
      } as option "registry" ${where}: it must be an object, or false for none`,
    );
  }
  const given: RegistryOptions = options ?? {};
  assertKeys(given, ["ttlMs", "heartbeatIntervalMs"], `of the registry ${where}`);
  const { ttlMs: ttl, heartbeatIntervalMs: interval } = given;
  if (ttl !== undefined) {
    assertTimeout(ttl, `"registry.ttlMs" ${where}`);
    if (ttl < MIN_TTL_MS || ttl > MAX_TTL_MS) {
      throw new RangeError(
        `Cannot use ${ttl} as "registry.ttlMs" ${where}: it must be from ${MIN_TTL_MS} to ${MAX_TTL_MS} milliseconds`,
      );
    }
  }
  if (interval !== undefined) {
    assertTimeout(interval, `"registry.heartbeatIntervalMs" ${where}`);
    const most = ttl === undefined ? MAX_TTL_MS / 3 : ttl / 2;
    if (interval < MIN_INTERVAL_MS || interval > most) {
      throw new RangeError(
        `Cannot use ${interval} as "registry.heartbeatIntervalMs" ${where}: it must be from ${MIN_INTERVAL_MS} to ${most} milliseconds${
          ttl === undefined ? "" : ', half of "registry.ttlMs"'
        }`,
      );
    }
  }
  const ttlMs = ttl ??
    (interval === undefined ? DEFAULT_TTL_MS : Math.max(MIN_TTL_MS, interval * 3));
  const heartbeatIntervalMs = interval ?? ttlMs / 3;
  return { ttlMs: Math.ceil(ttlMs), heartbeatIntervalMs };
}

/** Checks what a program tells of its instance. @throws {TypeError | RangeError} when the registry cannot keep it. */
export function assertMetadata(metadata: unknown, where: string): void {
  const cannot = `Cannot use ${show(metadata)} as option "metadata" ${where}`;
  if (!isRecord(metadata)) throw new TypeError(`${cannot}: it must be an object`);
  for (const key of RESERVED_METADATA) {
    if (key in metadata) {
      throw new TypeError(`${cannot}: the key "${key}" is one that the registry writes itself`);
    }
  }
  let bytes: number, isKept: boolean;
  try {
    bytes = jsonBytes(metadata);
    const kept: unknown = JSON.parse(JSON.stringify(metadata));
    isKept = isRecord(kept) && isReadable(kept, METADATA_DEPTH);
  } catch (cause) {
    throw new TypeError(`${cannot}: it must have a JSON form`, { cause });
  }
  if (bytes > MAX_METADATA_BYTES) {
    throw new RangeError(
      `${cannot}: it has ${bytes} bytes as JSON, and ${MAX_METADATA_BYTES} are allowed, for it is told with each heartbeat`,
    );
  }
  if (!isKept) {
    throw new TypeError(
      `${cannot}: whoever reads the registry would pass it over, for it nests too deep, has a key "__proto__", or is no object as JSON`,
    );
  }
}
