// What clients give about dead letters: filters, ids and options, checked.

import { assertKeys, assertSignal, isPlainObject, show } from "../domain/check.ts";
import { DEAD_LETTER_REASONS, type DeadLetterReason } from "../domain/dead_letter.ts";
import { assertEventPattern } from "../domain/event_type.ts";
import { assertServiceName } from "../domain/subject.ts";
import type { DeadLetterFilter } from "./dead_letter_types.ts";

const FILTER = ["service", "kind", "type", "reason", "ids", "limit", "signal"];
const COMMAND = /^[a-zA-Z][\w-]*$/;

/** Checks a filter. @throws {TypeError | RangeError} naming what cannot be. */
export function assertFilter(filter: unknown): asserts filter is DeadLetterFilter {
  if (!isPlainObject(filter)) {
    throw new TypeError(
      `Cannot use ${show(filter)} as a filter of dead letters: it must be an object`,
    );
  }
  const where = "of a filter of dead letters";
  assertKeys(filter, FILTER, where);
  const { service, kind, type, reason, ids, limit, signal } = filter;
  if (service !== undefined) assertServiceName(service);
  if (kind !== undefined && kind !== "event" && kind !== "command") {
    throw new TypeError(
      `Cannot use ${show(kind)} as option "kind" ${where}: it must be "event" or "command"`,
    );
  }
  // The name of a command is a single token, which is no pattern of events.
  const isCommand = kind !== "event" && typeof type === "string" && COMMAND.test(type);
  if (type !== undefined && !isCommand) {
    assertEventPattern(type);
  }
  if (reason !== undefined && !DEAD_LETTER_REASONS.includes(reason as DeadLetterReason)) {
    throw new TypeError(
      `Cannot use ${show(reason)} as option "reason" ${where}: it must be one of ${
        DEAD_LETTER_REASONS.join(", ")
      }`,
    );
  }
  if (ids !== undefined && !(Array.isArray(ids) && ids.every(isId))) {
    throw new TypeError(
      `Cannot use ${
        show(ids)
      } as option "ids" ${where}: it must be an array of ids that listDeadLetters() gave`,
    );
  }
  if (
    limit !== undefined && limit !== Infinity && !(Number.isInteger(limit) && Number(limit) >= 1)
  ) {
    throw new RangeError(
      `Cannot use ${
        show(limit)
      } as option "limit" ${where}: it must be a whole number of at least 1`,
    );
  }
  assertSignal(signal, where);
}

/** Checks the id of a dead letter, and the options of what is done with it. @throws {TypeError} naming what cannot be. */
export function assertLetter(id: unknown, options: unknown, where: string): void {
  assertId(id);
  if (!isPlainObject(options)) {
    throw new TypeError(
      `Cannot use ${show(options)} as the options ${where}: they must be an object`,
    );
  }
  assertKeys(options, ["signal"], where);
  assertSignal(options.signal, where);
}

function assertId(id: unknown): void {
  if (isId(id)) return;
  throw new TypeError(
    `Cannot use ${show(id)} as the id of a dead letter: it must be one that listDeadLetters() gave`,
  );
}

function isId(id: unknown): boolean {
  return typeof id === "string" && /^[1-9]\d{0,15}$/.test(id);
}
