// Asking again: which calls a caller whose connection broke still waits for, as lines of text.

/** How many calls one message names, so that it fits the smallest `max_payload` in use. */
const CALLS_PER_MESSAGE = 100;

/** A call that waits for its answer. */
export interface WaitingCall {
  /** The service that it was sent to. */
  readonly service: string;
  /** The id of the request. */
  readonly id: string;
  /** Where the answer goes. */
  readonly reply: string;
}

/** The messages that ask for the answers to `calls` again: a service, and the body for all of its instances. */
export function againMessages(calls: Iterable<WaitingCall>): [service: string, body: string][] {
  const lines = new Map<string, string[]>();
  for (const { service, id, reply } of calls) {
    const line = `${id} ${reply}`;
    const known = lines.get(service);
    if (known === undefined) lines.set(service, [line]);
    else known.push(line);
  }
  const messages: [string, string][] = [];
  for (const [service, all] of lines) {
    for (let i = 0; i < all.length; i += CALLS_PER_MESSAGE) {
      messages.push([service, all.slice(i, i + CALLS_PER_MESSAGE).join("\n")]);
    }
  }
  return messages;
}

/** The calls that a body names: their ids by their reply subjects. What is no such line is passed over. */
export function readAgain(body: Uint8Array): Map<string, string> {
  const calls = new Map<string, string>();
  for (const line of new TextDecoder().decode(body).split("\n")) {
    const [, id, reply] = /^(\S+) (\S+)$/.exec(line) ?? [];
    if (id !== undefined && reply !== undefined) calls.set(reply, id);
  }
  return calls;
}
