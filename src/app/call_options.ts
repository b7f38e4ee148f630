// What a call is given: its parameters and options, checked.

import { assertKeys, assertTimeout, isPlainObject, show } from "../domain/check.ts";
import { assertHeaders } from "../domain/header.ts";
import { isRecord } from "../domain/envelope.ts";
import { resolveRetry } from "../domain/retry.ts";
import { assertStrategy } from "../domain/selection.ts";
import { assertInstanceId } from "../domain/subject.ts";
import type { CallOptions } from "./context.ts";

const OPTIONS = [
  "timeoutMs",
  "signal",
  "retry",
  "idempotent",
  "instance",
  "select",
  "key",
  "circuit",
  "headers",
];

/** Checks the parameters of a call. @throws {TypeError} when they are none. */
export function assertParams(
  params: unknown,
  service: string,
  method: string,
): asserts params is Record<string, unknown> {
  if (isPlainObject(params)) return;
  // An object of a class knows itself what to write of it, or JSON would leave out what it keeps, as a Map's entries.
  if (isRecord(params) && typeof params.toJSON === "function") return;
  throw new TypeError(
    `Cannot call ${service}.${method} with ${show(params)}: parameters must be ${
      isRecord(params) ? "a plain object, or have toJSON()" : "an object"
    }`,
  );
}

/** Checks the options of a call. @throws {TypeError | RangeError} naming what cannot be. */
export function checkCallOptions(options: CallOptions): void {
  if (!isRecord(options)) {
    throw new TypeError(
      `Cannot use ${show(options)} as the options of a call: they must be an object`,
    );
  }
  assertKeys(options, OPTIONS, "of a call");
  const { timeoutMs, instance, headers, signal, retry, idempotent, circuit } =
    options as CallOptions;
  if (timeoutMs !== undefined) assertTimeout(timeoutMs, 'option "timeoutMs" of a call');
  if (instance !== undefined) assertInstanceId(instance);
  if (headers !== undefined) assertHeaders(headers);
  if (retry !== undefined && retry !== false) resolveRetry(retry);
  assertBoolean(idempotent, "idempotent");
  assertBoolean(circuit, "circuit");
  if (options.select !== undefined || options.key !== undefined) assertSelect(options);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(
      `Cannot use ${show(signal)} as option "signal" of a call: it must be an AbortSignal`,
    );
  }
}

function assertBoolean(value: unknown, name: string): void {
  if (value === undefined || typeof value === "boolean") return;
  throw new TypeError(
    `Cannot use ${show(value)} as option "${name}" of a call: it must be a boolean`,
  );
}

function assertSelect({ select, key, instance }: CallOptions): void {
  assertStrategy(select, key, "of a call", "select");
  if (select !== undefined && instance !== undefined) {
    throw new TypeError(
      'Cannot use options "instance" and "select" of a call together: one names an instance, the other chooses one',
    );
  }
}
