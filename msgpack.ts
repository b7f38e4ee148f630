/**
 * The MessagePack codec.
 *
 * @example
 * ```ts
 * import { msgpack } from "@aegis/sdk/msgpack";
 *
 * const codec = msgpack(); // for connect({ codec })
 * console.log(codec.name);
 * ```
 *
 * @module
 */

export { msgpack } from "./src/adapters/msgpack/codec.ts";
export type { Codec } from "./src/ports/codec.ts";
