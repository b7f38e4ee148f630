// Messages for later, in the words of the server (ADR-51).

/**
 * The headers of a message that the server publishes to `target` at `at`, in milliseconds since the epoch. It looks four
 * times a second at the most what is due. When it publishes the message it removes the stored one, and leaves out its
 * headers `Nats-Schedule*`, `Nats-Expected-*`, `Nats-Msg-Id`, `Nats-TTL` and `Nats-Rollup`.
 */
export function scheduleHeaders(
  target: string,
  at: number,
  headers: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return {
    ...headers,
    "Nats-Schedule": `@at ${new Date(at).toISOString()}`,
    "Nats-Schedule-Target": target,
  };
}
