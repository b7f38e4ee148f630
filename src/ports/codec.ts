// Codecs: values to bytes and back.

/**
 * Turns values to bytes and back. A codec may give a string, which an adapter turns to UTF-8 in its own batch. One that
 * is given to `connect()` reads every body that it accepts; the others are read as JSON, or as MessagePack where the
 * entry understands it.
 *
 * @example
 * ```ts
 * import { type Codec, connect, createClient, createService, rpc } from "@aegis/sdk";
 * import { deepStrictEqual } from "node:assert/strict";
 *
 * // JSON that people can read as it goes by.
 * const indented: Codec = {
 *   name: "indented-json",
 *   accepts: (firstByte) => firstByte === 0x7b, // {
 *   encode: (value) => JSON.stringify(value, undefined, 2),
 *   decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)),
 * };
 *
 * await using bus = await connect({ servers: "memory:", codec: indented });
 * await using stock = createService("stock", { bus, handlers: [rpc("left", () => ({ left: 3 }))] });
 * await stock.start();
 * deepStrictEqual(await createClient({ bus }).call("stock", "left"), { left: 3 });
 * ```
 */
export interface Codec {
  /** What it is called, such as `"msgpack"`. */
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
   * The text that `bytes` hold. Only a codec whose bodies are plain JSON has it, just as `JSON.stringify` writes them
   * and `JSON.parse` reads them: the envelope is then written as text around what `encode` gives, and read without
   * `decode`.
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
