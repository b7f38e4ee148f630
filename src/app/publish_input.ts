// What publish() is given: an event and options, checked.

import { assertKeys, assertTimeout, isPlainObject, show } from "../domain/check.ts";
import { isRecord } from "../domain/envelope.ts";
import { assertHeaders } from "../domain/header.ts";
import type { NewEvent } from "./event.ts";
import type { PublishOptions } from "./event_types.ts";

const OPTIONS = ["timeoutMs", "id", "headers", "signal"];
const NO_PAYLOAD = Object.freeze({});
/** What fits a header as it is. */
const ID = /^\S(?:[^\r\n\0]*\S)?$/;
const MAX_ID = 1_024;

/** The event and the options that `publish()` was given. @throws {TypeError} when there is no event. */
export function argumentsOf(
  what: unknown,
  rest: readonly unknown[],
): [event: NewEvent, options: PublishOptions | undefined] {
  if (typeof what === "string") {
    const [payload = NO_PAYLOAD, options] = rest;
    return [{ type: what, version: "1.0", payload, schema: undefined }, options as PublishOptions];
  }
  const event = what as NewEvent | null | undefined;
  if (typeof event === "function") {
    throw new TypeError(
      `Cannot publish the definition of "${
        (event as NewEvent).type
      }": call it with a payload, which makes an event`,
    );
  }
  if (typeof event !== "object" || event === null || typeof event.type !== "string") {
    throw new TypeError(
      `Cannot publish ${show(what)}: it must be what a definition made, or the type of an event`,
    );
  }
  if (rest.length > 1) {
    throw new TypeError(
      `Cannot publish ${event.type} with ${rest.length} further arguments: an event that a definition made has its payload, and options alone come behind it`,
    );
  }
  const { type, version = "1.0", payload = NO_PAYLOAD, schema } = event;
  return [{ type, version, payload, schema }, rest[0] as PublishOptions | undefined];
}

/** Checks the payload of an event. @throws {TypeError} when it is none. */
export function assertPayload(
  type: string,
  payload: unknown,
): asserts payload is Readonly<Record<string, unknown>> {
  if (isPlainObject(payload)) return;
  // An object of a class knows itself what to write of it, or JSON would leave out what it keeps, as a Map's entries.
  if (isRecord(payload) && typeof payload.toJSON === "function") return;
  throw new TypeError(
    `Cannot publish ${type} with ${show(payload)}: a payload must be ${
      isRecord(payload) ? "a plain object, or have toJSON()" : "an object"
    }`,
  );
}

/** Checks the options of `publish()`. @throws {TypeError | RangeError} naming what cannot be. */
export function checkPublishOptions(options: PublishOptions): void {
  if (!isRecord(options)) {
    throw new TypeError(
      `Cannot use ${show(options)} as the options of publish(): they must be an object`,
    );
  }
  assertKeys(options, OPTIONS, "of publish()");
  const { timeoutMs, id, headers, signal } = options as PublishOptions;
  if (timeoutMs !== undefined) assertTimeout(timeoutMs, 'option "timeoutMs" of publish()');
  if (id !== undefined && !(typeof id === "string" && ID.test(id) && id.length <= MAX_ID)) {
    throw new TypeError(
      `Cannot use ${
        show(id)
      } as option "id" of publish(): it must be text of 1 to ${MAX_ID} characters, without line breaks and blanks at its ends`,
    );
  }
  if (headers !== undefined) assertHeaders(headers);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(
      `Cannot use ${show(signal)} as option "signal" of publish(): it must be an AbortSignal`,
    );
  }
}
