// What the client and the processes of the measurement of fail-over agree on.

/** How long a slow call of the leader takes, in milliseconds. */
export const SLOW_MS = 100;
/** How long a command takes that all instances run, in milliseconds. */
export const LONG_MS = 2_000;

/** An answer of the leader: its fencing token, and its process. */
export type Answer = readonly [token: number, pid: number];
