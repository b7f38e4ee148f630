// Statistics of one method since it was served: how often it was called, how often it failed, and how long it took.

/** How much of an error is kept, in characters. */
const MAX_ERROR = 256;

/** Counts the calls of one method. */
export class CallStats {
  /** How many calls have ended. */
  requests = 0;
  /** How many of them failed. */
  errors = 0;
  /** What the last one that failed failed with; empty where none did. */
  lastError = "";
  /** How long all of them took together, in milliseconds. */
  processingMs = 0;

  /** Counts a call that came to a good end after `ms`. */
  succeeded(ms: number): void {
    this.requests++;
    this.processingMs += ms;
  }

  /** Counts a call that failed after `ms`. */
  failed(ms: number, code: string, error: unknown): void {
    this.requests++;
    this.errors++;
    this.processingMs += ms;
    const message = error instanceof Error ? error.message : String(error);
    this.lastError = `${code}: ${message}`.slice(0, MAX_ERROR);
  }
}
