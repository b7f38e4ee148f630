// What becomes of a type on the wire: the type that a caller gets of what a handler gives.

/**
 * What arrives of a value of type `T`, such as the result of a call or of a command. What JSON knows is the same type.
 * Where JSON knows nothing of it, it is what `JSON.stringify` makes of it, and the MessagePack codec likewise: a `Date` is
 * a string, an object with `toJSON()` what that gives, `undefined` and `void` are `null`, a member that may be `undefined`
 * may be missing, functions and symbols are left out, a `Map` and a `Set` are empty; a result that is a function or a
 * symbol as a whole is an error. `NaN` and the infinities, whose type is `number` too, are `null` in JSON. Only MessagePack
 * knows them, bytes, and a `bigint`, which it gives as a number where that is safe; in JSON bytes are an object by index,
 * and a `bigint` is an error.
 *
 * @example
 * ```ts
 * import type { Jsonified } from "@aegis/sdk";
 *
 * interface Order {
 *   readonly id: string;
 *   readonly at: Date;
 *   readonly note: string | undefined;
 * }
 * const order: Jsonified<Order> = { id: "1", at: "2026-01-01T00:00:00.000Z" };
 * console.log(order.at.slice(0, 4));
 * ```
 */
export type Jsonified<T> = [T] extends [JsonKnown<T>] ? T : JsonWritten<T>;

/** What JSON leaves out of an object, and writes as `null` elsewhere. */
export type JsonMissing = undefined | void | symbol | ((...args: never[]) => unknown);

/**
 * What every `T` fits of which JSON knows all parts; any other has a part that must be `never`. Arrays are objects by
 * index here, since an array's type is made at once, and a type that contains itself would have no end.
 */
export type JsonKnown<T> = T extends string | number | boolean | null ? T
  : T extends
    | JsonMissing
    | bigint
    | { toJSON(...args: never[]): unknown }
    | ReadonlyMap<unknown, unknown>
    | ReadonlySet<unknown>
    | ArrayBufferView ? never
  : T extends readonly (infer Item)[] ? { readonly [index: number]: JsonKnown<Item> }
  : T extends object ? { [Key in keyof T]: Key extends symbol ? never : JsonKnown<T[Key]> }
  : T;

/**
 * What becomes of a `T` of which JSON does not know all parts. Of an object, first the members that are there or not as
 * they were, then those that may be missing since they may be what is left out.
 */
export type JsonWritten<T> = T extends string | number | boolean | null ? T
  : T extends JsonMissing ? null
  : T extends bigint ? number | bigint
  : T extends { toJSON(...args: never[]): infer Plain } ? Jsonified<Plain>
  : T extends ReadonlyMap<unknown, unknown> | ReadonlySet<unknown> ? Record<string, never>
  : T extends ArrayBufferView ? Uint8Array | Record<string, number>
  : T extends readonly unknown[] ? { [Key in keyof T]: Jsonified<T[Key]> }
  : T extends object ?
      & {
        [
          Key in keyof T as Key extends symbol ? never
            : [T[Key]] extends [Exclude<T[Key], JsonMissing>] ? Key
            : never
        ]: Jsonified<T[Key]>;
      }
      & {
        [
          Key in keyof T as Key extends symbol ? never
            : [T[Key]] extends [Exclude<T[Key], JsonMissing>] ? never
            : [Exclude<T[Key], JsonMissing>] extends [never] ? never
            : Key
        ]?: Jsonified<Exclude<T[Key], JsonMissing>>;
      } extends infer Members ? { [Key in keyof Members]: Members[Key] }
    : never
  : T;
