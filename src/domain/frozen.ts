// What a handler returns, so that the literals in it keep their types.

/** A value that may be read only, so that the literals in what a handler returns keep their types. */
export type Frozen<T> = T extends (...args: never[]) => unknown ? T
  : T extends object ? { readonly [Key in keyof T]: Frozen<T[Key]> }
  : T;
