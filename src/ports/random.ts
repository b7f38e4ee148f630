// Randomness: identifiers and the jitter of retries.

/** A source of identifiers and of jitter. */
export interface Random {
  /** A new UUID of version 4 for a message; unique, not secret. */
  uuid(): string;
  /** A new random UUID of version 4 for a trace, whose digits are a W3C trace id. */
  traceId(): string;
  /** Sixteen random hexadecimal digits that are not all zero: a W3C span id. */
  spanId(): string;
  /** A random number, 0 ≤ n < 1. */
  next(): number;
}
