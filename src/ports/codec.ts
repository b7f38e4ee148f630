// Codecs: values to bytes and back.

/** Turns values to bytes and back. A text codec gives a string, which an adapter turns to UTF-8 in its own batch. */
export interface Codec {
  /** `"json"` or `"msgpack"`. */
  readonly name: string;
  /** Whether a body that begins with this byte is in this encoding. */
  accepts(firstByte: number): boolean;
  /**
   * The encoding of `value`.
   *
   * @throws {SerializationError} when the value has no encoding: a cycle, a `bigint` in JSON.
   */
  encode(value: unknown): string | Uint8Array;
  /**
   * The text that `bytes` hold, for a codec of text.
   *
   * @throws {SerializationError} when they hold none.
   */
  text?(bytes: Uint8Array): string;
  /**
   * The value that `bytes` encode.
   *
   * @throws {SerializationError} when the bytes are no valid encoding.
   */
  decode(bytes: Uint8Array): unknown;
}
