// What contract suites share: a case, the connections that it runs on, and checks that throw plain errors.

import { AegisError } from "../domain/error.ts";
import type { Message, Messaging } from "../ports/messaging.ts";
import type { Transport } from "../ports/transport.ts";

/** One case of a contract. */
export interface Case {
  /** The rule that it checks. */
  readonly name: string;
  /** Checks it; `open` makes a new connection to the same broker each time. Rejects when it does not hold. */
  run(open: () => Promise<Transport>): Promise<void>;
}

/** What a case runs on: two connections, and a subject that no other case uses. */
export interface Wire {
  readonly first: Transport;
  readonly second: Transport;
  readonly a: Messaging;
  readonly b: Messaging;
  readonly subject: string;
}

/** How many round trips a message may take at most. */
const ROUNDS = 500;

/** A case on two connections, which are closed after it. */
export function on(name: string, check: (wire: Wire) => Promise<void>): Case {
  return {
    name,
    async run(open) {
      const first = await open();
      try {
        const second = await open();
        const { messaging: a } = first;
        const { messaging: b } = second;
        const subject = `contract.${a.inbox.replaceAll(".", "_")}`;
        try {
          await check({ first, second, a, b, subject });
        } finally {
          await second.close();
        }
      } finally {
        await first.close();
      }
    },
  };
}

/** Goes round trips until `met`, without a timer; one round is always gone. */
export async function until(from: Messaging, to: Messaging, met: () => boolean): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    await from.flush();
    await to.flush();
    if (met()) return;
  }
  throw new Error(`Not met after ${ROUNDS} round trips: ${met}`);
}

/** Throws unless the two are the same as JSON. */
export function equal(actual: unknown, expected: unknown, what: string): void {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== should) throw new Error(`${what}: ${short(is)}, and not ${short(should)}`);
}

/** Throws unless it holds. */
export function holds(condition: boolean, what: string): void {
  if (!condition) throw new Error(`It does not hold: ${what}`);
}

/** Throws unless `run` throws an error of that name, or of that code. */
export function fails(nameOrCode: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    if (AegisError.is(error, nameOrCode) || (error as Error).name === nameOrCode) return;
    throw new Error(`It threw ${error}, and not ${nameOrCode}`, { cause: error });
  }
  throw new Error(`It did not throw ${nameOrCode}: ${run}`);
}

/** Throws unless `run` throws or rejects with an error of that name, or of that code; gives the error. */
export async function rejects(nameOrCode: string, run: () => Promise<unknown>): Promise<Error> {
  try {
    await run();
  } catch (error) {
    if (AegisError.is(error, nameOrCode) || (error as Error).name === nameOrCode) {
      return error as Error;
    }
    throw new Error(`It rejected with ${error}, and not with ${nameOrCode}`, { cause: error });
  }
  throw new Error(`It did not reject with ${nameOrCode}: ${run}`);
}

/** The body of a message as text. */
export function text(message: Message): string {
  return new TextDecoder().decode(message.data);
}

function short(value: string | undefined): string {
  return value === undefined ? "undefined" : value.length > 300 ? `${value.slice(0, 300)}…` : value;
}

/** Every message that arrives, in a list that grows. */
export function collect(messaging: Messaging, subject: string, queue?: string): Message[] {
  const got: Message[] = [];
  messaging.subscribe(subject, {
    ...(queue === undefined ? {} : { queue }),
    onMessage: (message) => got.push(message),
  });
  return got;
}
