// Values of a bucket: encoded as they are put, decoded and checked as they are read.

import { show } from "../domain/check.ts";
import { AegisError, SerializationError } from "../domain/error.ts";
import { type Schema, validate } from "../domain/schema.ts";
import type { Codec } from "../ports/codec.ts";
import type { KvEntry } from "../ports/kv.ts";
import type { StoredMessage } from "../ports/stream.ts";
import { codecOf, decodeBody, type Runtime } from "./runtime.ts";

/** Turns values to bodies and back, of one bucket. */
export class KvValues<T> {
  readonly #runtime: Runtime;
  readonly #bucket: string;
  readonly #codec: Codec;
  readonly #schema: Schema<unknown, T> | undefined;
  readonly #isLenient: boolean;

  constructor(
    runtime: Runtime,
    bucket: string,
    codec: Codec,
    schema: Schema<unknown, T> | undefined,
    isLenient = false,
  ) {
    this.#runtime = runtime;
    this.#bucket = bucket;
    this.#codec = codec;
    this.#schema = schema;
    this.#isLenient = isLenient;
  }

  /**
   * The body of a value; a promise only where the schema is asynchronous. What is checked goes out as it was given: who
   * reads makes of it what the schema says.
   *
   * @throws {ValidationError | SerializationError} when it does not fit, or has no encoding.
   */
  encode(key: string, value: T): string | Uint8Array | Promise<string | Uint8Array> {
    const checked = this.#schema === undefined ? undefined : validate(
      this.#schema,
      value,
      () => `Cannot put ${show(key)} in the bucket ${this.#bucket}: the value is not valid`,
    );
    return checked instanceof Promise
      ? checked.then(() => this.#encode(key, value))
      : this.#encode(key, value);
  }

  /**
   * The entry that a message is; a promise only where the schema is asynchronous.
   *
   * @throws {ValidationError | SerializationError} naming key and revision when the value cannot be read.
   */
  entry(
    key: string,
    message: StoredMessage,
    expiresAt: number | undefined,
  ): KvEntry<T> | Promise<KvEntry<T>> {
    const { sequence: revision, storedAt: createdAt } = message;
    const entry = (value: unknown): KvEntry<T> => ({
      key,
      value: value as T,
      revision,
      createdAt,
      ...(expiresAt === undefined ? {} : { expiresAt }),
    });
    const what = (): string =>
      `Cannot read ${show(key)} of the bucket ${this.#bucket} at revision ${revision}`;
    const value = this.#decode(message, what, { key, revision });
    if (this.#schema === undefined) return entry(value);
    const checked = validate(this.#schema, value, () => `${what()}: the value is not valid`);
    return checked instanceof Promise ? checked.then(entry) : entry(checked);
  }

  #encode(key: string, value: unknown): string | Uint8Array {
    const what = `Cannot put ${show(key)} in the bucket ${this.#bucket}: `;
    if (["undefined", "function", "symbol"].includes(typeof value)) {
      throw new SerializationError(
        `${what}${show(value)} has no encoding; delete the key, or put null`,
      );
    }
    if (this.#codec.text !== undefined && ArrayBuffer.isView(value)) {
      throw new SerializationError(
        `${what}JSON has no bytes; put them as text, or use connect({ codec: msgpack() }) from @aegis/sdk/msgpack`,
      );
    }
    try {
      return this.#codec.encode(value);
    } catch (cause) {
      if (!AegisError.is(cause)) throw cause;
      throw new SerializationError(`${what}${cause.message}`, { cause, details: cause.details });
    }
  }

  #decode(
    { subject, data }: StoredMessage,
    what: () => string,
    facts: Readonly<Record<string, unknown>>,
  ): unknown {
    const message = { subject, data };
    try {
      return decodeBody(codecOf(this.#runtime, message), message);
    } catch (cause) {
      if (!AegisError.is(cause)) throw cause;
      if (this.#isLenient) return undefined;
      throw new SerializationError(`${what()}: ${cause.message}`, {
        cause,
        details: { ...cause.details, ...facts },
      });
    }
  }
}
