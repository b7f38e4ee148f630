// Subjects of commands, and the names of all that a broker keeps for them.

import { isPriority, type Priority } from "./command.ts";
import { assertName, isName, isServiceName } from "./subject.ts";

const PREFIX = "commands";
const LATER = "commands_later";
/** The longest name of a consumer that a server takes, without the two signs and the longest priority. */
const MAX_NAMES = 245;

/** The subject on which all commands in work hear that they are cancelled. */
export const CANCEL_ALL = "commands.cancel.>";
/** The bucket of the records of commands. */
export const RECORDS_BUCKET = "command_records";
/** The stream behind that bucket. */
export const RECORDS_STREAM = "KV_command_records";

/** On a command: the revision of its record when it was written for the first time. */
export const RECORD_HEADER = "aegis-record";
/** On a command: for how long it waits before it is due, in milliseconds. */
export const DELAY_HEADER = "aegis-delay-ms";
/** On a command that waits: its token, by which it is known in its queue. */
export const TOKEN_HEADER = "aegis-command";
/** On progress: the state in which a command has ended without a result. */
export const STATE_HEADER = "aegis-state";
/** On progress: the data that goes with it, as JSON in ASCII. */
export const DATA_HEADER = "aegis-progress-data";

/** The subject on which a service is given a command. The protocol knows one; other priorities than normal are ours. */
export function commandSubject(service: string, command: string, priority: Priority): string {
  return priority === "normal"
    ? `${PREFIX}.${service}.${command}`
    : `${PREFIX}.${service}.${command}.${priority}`;
}

/**
 * The stream in which commands wait until they are due. A server has no schedules in a stream that refuses what is new
 * when it is full, which a work queue must: so they wait beside it, and are moved when they are due.
 */
export const LATER_STREAM = "COMMANDS_LATER";
/** All that it holds. */
export const LATER_SUBJECT: string = `${LATER}.>`;

/** The subject on which a command waits until it is due. It is no other command's. */
export function waitingSubject(
  service: string,
  command: string,
  priority: Priority,
  token: string,
): string {
  return `${LATER}.waiting.${service}.${command}.${priority}.${token}`;
}

/** The subject on which the server publishes it when it is due; `*` for all of a service. */
export function dueSubject(service: string, command: string, priority: Priority | "*"): string {
  return `${LATER}.due.${service}.${command}.${priority}`;
}

/** Which command is due; undefined where {@linkcode dueSubject} gives no such subject. */
export function parseDueSubject(
  subject: string,
): { service: string; command: string; priority: Priority } | undefined {
  const [prefix, due, service, command, priority, ...rest] = subject.split(".", 6);
  if (prefix !== LATER || due !== "due" || rest.length > 0) return undefined;
  return isServiceName(service) && isName(command) && isPriority(priority)
    ? { service, command, priority }
    : undefined;
}

/** The name of the consumer that takes what is due for a service. */
export function dueDurable(service: string): string {
  return `${service}=due`;
}

/** Whose command a subject is for, which one and how urgent; undefined where {@linkcode commandSubject} gives no such subject. */
export function parseCommandSubject(
  subject: string,
): { service: string; command: string; priority: Priority } | undefined {
  const [prefix, service, command, priority, ...rest] = subject.split(".", 5);
  if (prefix !== PREFIX || rest.length > 0) return undefined;
  if (!isServiceName(service) || !isName(command)) return undefined;
  if (priority === undefined) return { service, command, priority: "normal" };
  // The normal one has one subject, and it is the other.
  return isPriority(priority) && priority !== "normal" ? { service, command, priority } : undefined;
}

/** The subject in a service's queue on which there is word of a command that was taken back before it began. */
export function withdrawnSubject(service: string, token: string): string {
  return `${PREFIX}.${service}.=withdrawn.${token}`;
}

/** The name of the stream that holds the commands of a service. */
export function commandStream(service: string): string {
  return `COMMANDS_${service}`;
}

/** All that it holds. */
export function commandStreamSubject(service: string): string {
  return `${PREFIX}.${service}.>`;
}

/**
 * The name of the consumer of a command's priority. Different ones have different names, and none is that of a consumer
 * of events, in whose name "+" never follows a letter or a digit.
 *
 * @throws {TypeError} when the names of service and command are together too long for it.
 */
export function commandDurable(service: string, command: string, priority: Priority): string {
  const length = service.length + command.length;
  // The same for each priority, so that a command has a consumer for all of them or for none.
  if (length > MAX_NAMES) {
    throw new TypeError(
      `Cannot serve command "${command}" of service "${service}": the two names have ${length} characters, and a consumer's name has room for ${MAX_NAMES}; shorten one of them`,
    );
  }
  return `${service}=${command}+${priority}`;
}

/** The subject on which it is told how far a command is. */
export function progressSubject(token: string): string {
  return `${PREFIX}.progress.${token}`;
}

/** The subject on which it is told that a command is done. */
export function callbackSubject(token: string): string {
  return `${PREFIX}.callback.${token}`;
}

/** The subject on which a command is cancelled. */
export function cancelSubject(token: string): string {
  return `${PREFIX}.cancel.${token}`;
}

/** The subject of a command's record. */
export function recordSubject(token: string): string {
  return `$KV.${RECORDS_BUCKET}.${token}`;
}

/** Checks the name of a command. @throws {TypeError} when it is none. */
export function assertCommandName(name: unknown): asserts name is string {
  assertName(name, "command");
}
