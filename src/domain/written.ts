// What is written of a value as a whole: something of every one, but of functions and symbols.

import { SerializationError } from "./error.ts";

/**
 * Refuses a function or a symbol, of which nothing could be written: that a part of an object is left out is what JSON
 * does, and whoever asks for a value is not to get `null` in its place.
 *
 * @throws {SerializationError}
 */
export function assertWritten(value: unknown, form: string): void {
  if (typeof value !== "function" && typeof value !== "symbol") return;
  throw new SerializationError(`The value has no ${form} form: it is a ${typeof value}`);
}
