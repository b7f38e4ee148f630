// Subjects: every name on the wire, and what a name may be.

import { show } from "./check.ts";

/** Three names make a subject, and a server hangs up on whom it hears too long a subject from. */
const MAX_NAME = 128;
/** More than a name, since the id that an instance has by default begins with its service's name. */
export const MAX_ID: number = 192;
const NAME = new RegExp(`^[a-zA-Z][a-zA-Z0-9_-]{0,${MAX_NAME - 1}}$`);
const TOKEN = new RegExp(`^[a-zA-Z0-9_-]{1,${MAX_ID}}$`);
const RESERVED = ["progress", "callback", "cancel"];

/** What would be another command of the protocol, or no subject at all. */
const SUBJECT = /^[^\s.]+(?:\.[^\s.]+)*$/;
/**
 * How many bytes a subject may take, with the reply subject or the queue group that stands in the same line. A server
 * takes lines of 4,096 bytes (max_control_line), numbers among them; on a longer one it closes the connection.
 */
const MAX_SUBJECT = 4_000;

/** The subject on which every instance of a service that has the method is asked, in queue group {@linkcode rpcQueue}. */
export function rpcSubject(service: string, method: string): string {
  return `rpc.${service}.${method}`;
}

/** The subject on which one instance alone is asked. */
export function rpcInstanceSubject(service: string, method: string, instance: string): string {
  return `rpc.${service}.${method}.${instance}`;
}

/**
 * The subject on which all instances of a service hear the question who leads that have methods of the leader; see
 * {@linkcode LEADER_QUESTION}. Its last token is the name of no method.
 */
export function rpcLeaderSubject(service: string): string {
  return `rpc.${service}.~`;
}

/**
 * The subject on which the leader of a group is asked, as long as it leads: whoever has led before does not hear it, even if
 * it has the same name.
 */
export function rpcLedSubject(
  service: string,
  method: string,
  { group, token }: { readonly group: string; readonly token: number },
): string {
  return `rpc.${service}.${method}.~.${group}.${token}`;
}

/** The subject on which callers hear who has begun to lead a group of a service. */
export function rpcElectedSubject(service: string): string {
  return `internal.rpc.elected.${service}`;
}

/** The queue group that shares the calls of a service among its instances. */
export function rpcQueue(service: string): string {
  return `rpc.${service}`;
}

/** The subject on which every instance of a service hears of calls that their callers took back. */
export function rpcCancelSubject(service: string): string {
  return `internal.rpc.cancel.${service}`;
}

/**
 * The subject on which every instance of a service hears which answers a caller asks for again, because its connection
 * broke while it waited for them. A line of the body is one call: its id, a space, its reply subject. An instance that
 * remembers the answer sends it to that subject once more; others, and those that do not know this, do nothing.
 */
export function rpcAgainSubject(service: string): string {
  return `internal.rpc.again.${service}`;
}

/**
 * Checks a subject, and that the server takes it in one line with `beside`, a reply subject or a queue group.
 *
 * @throws {TypeError} when it is none, or too long.
 */
export function assertSubject(
  subject: string,
  beside: string,
  verb: "publish" | "subscribe",
): void {
  if (!SUBJECT.test(subject)) {
    throw new TypeError(
      `Cannot ${verb} to ${
        show(subject)
      }: a subject is one or more tokens without blanks, with dots between them`,
    );
  }
  // A character has at most three bytes: only what may be too long is counted to the byte.
  if ((subject.length + beside.length) * 3 <= MAX_SUBJECT) return;
  const length = byteLength(subject) + byteLength(beside);
  if (length <= MAX_SUBJECT) return;
  const other = verb === "publish" ? "its reply subject" : "its queue group";
  throw new TypeError(
    `Cannot ${verb} to ${
      show(subject)
    }: the subject with ${other} has ${length} bytes, and a server takes ${MAX_SUBJECT} in one line (max_control_line)`,
  );
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Checks the name of a service. @throws {TypeError} when it is none. */
export function assertServiceName(name: unknown): asserts name is string {
  assertName(name, "service");
  if (!isServiceName(name)) {
    throw new TypeError(`Cannot use "${name}" as the name of a service: the protocol reserves it`);
  }
}

/** Checks the name of a method. @throws {TypeError} when it is none. */
export function assertMethodName(name: unknown): asserts name is string {
  assertName(name, "method");
}

/** Checks the name of what is one token of a subject. @throws {TypeError} when it is none. */
export function assertName(
  name: unknown,
  what: "service" | "method" | "command",
): asserts name is string {
  if (isName(name)) return;
  throw new TypeError(
    `Cannot use ${
      show(name)
    } as the name of a ${what}: it must begin with a letter and hold letters, digits, "_" and "-" alone, at most ${MAX_NAME} in all`,
  );
}

/** Whether a value can be the name of a method or a command. */
export function isName(name: unknown): name is string {
  return typeof name === "string" && NAME.test(name);
}

/** Whether a value can be the name of a service: a name that the protocol does not use itself. */
export function isServiceName(name: unknown): name is string {
  return isName(name) && !RESERVED.includes(name);
}

/** Whether a value can be the id of an instance. */
export function isInstanceId(id: unknown): id is string {
  return typeof id === "string" && TOKEN.test(id);
}

/** Checks the id of an instance. @throws {TypeError} when it is none. */
export function assertInstanceId(id: unknown): asserts id is string {
  if (!isInstanceId(id)) {
    throw new TypeError(
      `Cannot use ${
        show(id)
      } as the id of an instance: it must hold letters, digits, "_" and "-" alone, at most ${MAX_ID}`,
    );
  }
}
