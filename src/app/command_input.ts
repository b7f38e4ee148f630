// What send() is given: a payload and options, checked.

import { assertKeys, assertSignal, assertTimeout, isPlainObject, show } from "../domain/check.ts";
import { isPriority, PRIORITIES } from "../domain/command.ts";
import { assertCommandId } from "../domain/command_id.ts";
import { isRecord } from "../domain/envelope.ts";
import type { ResultOptions, SendOptions } from "./command_types.ts";

const OPTIONS = ["priority", "timeoutMs", "maxRetries", "id", "delayMs", "signal"];
/** The longest delay, in milliseconds: a hundred years, which every server holds in nanoseconds. */
const MAX_DELAY_MS = 36_500 * 86_400_000;
const MAX_RETRIES = 1_000_000;

/** The payload of a command, as it is written. @throws {TypeError} when it is none. */
export function commandPayload(
  payload: unknown,
  service: string,
  command: string,
): Readonly<Record<string, unknown>> {
  if (isPlainObject(payload)) return payload;
  const what = `Cannot send ${command} to ${service} with ${show(payload)}: `;
  // An object of a class knows itself what to write of it, or JSON would leave out what it keeps, as a Map's entries.
  if (isRecord(payload) && typeof payload.toJSON === "function") {
    const written: unknown = payload.toJSON();
    if (isPlainObject(written)) return written;
    throw new TypeError(`${what}its toJSON() must give a plain object, not ${show(written)}`);
  }
  throw new TypeError(
    `${what}a payload must be ${
      isRecord(payload) ? "a plain object, or have toJSON()" : "an object"
    }`,
  );
}

/** Checks the options of `send()`. @throws {TypeError | RangeError} naming what cannot be. */
export function checkSendOptions(options: SendOptions): void {
  const where = "of send()";
  if (!isRecord(options)) {
    throw new TypeError(
      `Cannot use ${show(options)} as the options ${where}: they must be an object`,
    );
  }
  assertKeys(options, OPTIONS, where);
  const { priority, timeoutMs, maxRetries, id, delayMs, signal } = options as SendOptions;
  if (priority !== undefined && !isPriority(priority)) {
    throw new TypeError(
      `Cannot use ${show(priority)} as option "priority" ${where}: it must be one of ${
        PRIORITIES.join(", ")
      }`,
    );
  }
  if (timeoutMs !== undefined) assertTimeout(timeoutMs, `option "timeoutMs" ${where}`);
  if (
    maxRetries !== undefined &&
    !(Number.isInteger(maxRetries) && maxRetries >= 0 && maxRetries <= MAX_RETRIES)
  ) {
    throw new RangeError(
      `Cannot use ${
        show(maxRetries)
      } as option "maxRetries" ${where}: it must be a whole number from 0 to ${MAX_RETRIES}`,
    );
  }
  if (id !== undefined) assertCommandId(id);
  if (
    delayMs !== undefined &&
    !(typeof delayMs === "number" && delayMs >= 0 && delayMs <= MAX_DELAY_MS)
  ) {
    throw new RangeError(
      `Cannot use ${
        show(delayMs)
      } as option "delayMs" ${where}: it must be a number of milliseconds from 0 to ${MAX_DELAY_MS}`,
    );
  }
  assertSignal(signal, where);
}

/** Checks the options of waiting for a command. @throws {TypeError | RangeError} naming what cannot be. */
export function checkResultOptions(
  options: ResultOptions,
  where: string,
  allowed: readonly string[] = ["timeoutMs", "signal"],
): void {
  if (!isRecord(options)) {
    throw new TypeError(
      `Cannot use ${show(options)} as the options ${where}: they must be an object`,
    );
  }
  assertKeys(options, allowed, where);
  const { timeoutMs, signal } = options as ResultOptions;
  if (timeoutMs !== undefined && timeoutMs !== Infinity) {
    assertTimeout(timeoutMs, `option "timeoutMs" ${where}`);
  }
  assertSignal(signal, where);
}
