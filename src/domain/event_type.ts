// Types of events, the patterns that match them, and the names that are derived from both.

import { show } from "./check.ts";

const TOKEN = /^[A-Za-z0-9_-]+$/;
const DURABLE = /^[A-Za-z0-9_=+-]+$/;
/** The longest name of a durable that a server takes, and that its files can have. */
const MAX_DURABLE = 255;
/** The longest type or pattern, in characters, so that names derived from it fit what a server takes. */
const MAX_LENGTH = 200;

/** The subject prefix of all events. */
export const EVENTS_PREFIX = "events";
/** The stream that holds them, as the original calls it. */
export const EVENTS_STREAM = "EVENTS";

/** Checks the type of an event, such as `"order.created"`. @throws {TypeError} when it is none. */
export function assertEventType(type: unknown): asserts type is string {
  const tokens = typeof type === "string" && type.length <= MAX_LENGTH ? type.split(".") : [];
  if (tokens.length >= 2 && tokens.every((token) => TOKEN.test(token))) return;
  throw new TypeError(
    `Cannot use ${
      show(type)
    } as the type of an event: it must be "domain.type", two or more tokens of letters, digits, "_" and "-" with dots between, ${MAX_LENGTH} characters at most`,
  );
}

/**
 * Checks a pattern of event types: tokens with dots between, of which `*` stands for any one, and `>` at the end for one
 * or more. @throws {TypeError} when it is none, or could match no event.
 */
export function assertEventPattern(pattern: unknown): asserts pattern is string {
  const tokens = typeof pattern === "string" && pattern.length <= MAX_LENGTH
    ? pattern.split(".")
    : [];
  const last = tokens.at(-1);
  const inner = tokens.slice(0, -1).every((token) => token === "*" || TOKEN.test(token));
  if (last === ">" && inner) return;
  if (last !== undefined && inner && tokens.length >= 2 && (last === "*" || TOKEN.test(last))) {
    return;
  }
  throw new TypeError(
    `Cannot use ${
      show(pattern)
    } as a pattern of events: it must be "domain.type", where "*" stands for any one token and ">" at the end for the rest, ${MAX_LENGTH} characters at most`,
  );
}

/** The subject of events of `type`, or of all that match a pattern. */
export function eventSubject(type: string): string {
  return `${EVENTS_PREFIX}.${type}`;
}

/** The type of the events on a subject. */
export function eventTypeOf(subject: string): string {
  return subject.slice(EVENTS_PREFIX.length + 1);
}

/**
 * The name of the durable of a service and a pattern. Different pairs have different names: a service's name and the tokens
 * of a pattern hold none of the characters that stand for the dot and the wildcards, which a durable's name cannot hold.
 */
export function eventDurable(service: string, pattern: string): string {
  return `${service}=${pattern.replaceAll(".", "=").replaceAll("*", "+").replaceAll(">", "++")}`;
}

/** The name of the consumer of one instance: of a durable where `name` was given, which its `id` tells from the others. */
export function instanceDurable(name: string, id: string): string {
  return `${name}=${id}`;
}

/** Checks the name of a durable. @throws {TypeError} when a server would not take it. */
export function assertDurableName(name: unknown, where: string): asserts name is string {
  if (typeof name === "string" && DURABLE.test(name) && name.length <= MAX_DURABLE) return;
  throw new TypeError(
    `Cannot use ${
      show(name)
    } as ${where}: it must hold letters, digits, "_", "-", "=" and "+" alone, ${MAX_DURABLE} at most`,
  );
}
