// Dead letters: what could not be handled, kept to the byte with the reason, until somebody replays or discards it.

import type { Issue } from "./error.ts";
import { headerJson } from "./header.ts";

/** The stream that holds them. */
export const DEAD_LETTERS_STREAM = "DEAD_LETTERS";
/** The subject prefix of all dead letters. */
export const DEAD_LETTERS_PREFIX = "dead_letters";

/** Which kind of message it was. */
export type DeadLetterKind = "events" | "commands";

/**
 * Why it is one: its handler failed for the last time or said that it will always fail; it is not what its schema asks
 * for; its bytes are no message of the protocol; process after process ended while it was handled; or, of a command, its
 * time was over.
 */
export type DeadLetterReason = "failed" | "invalid" | "unreadable" | "crashed" | "timed_out";

/** Every reason. */
export const DEAD_LETTER_REASONS: readonly DeadLetterReason[] = [
  "failed",
  "invalid",
  "unreadable",
  "crashed",
  "timed_out",
];

/** The error that ended it, as it is kept. */
export interface DeadLetterError {
  /** Its code, or the name of its class. */
  readonly code: string;
  /** Its message. */
  readonly message: string;
  /** What is wrong and where, if it is not what its schema asks for. */
  readonly issues?: readonly Issue[];
}

/** What is known of a dead letter beside its bytes. */
export interface DeadLetterFacts {
  /** The service that could not handle it. */
  readonly service: string;
  /** The instance that gave it up. */
  readonly instanceId: string;
  /** The handler: the name of its durable, or what all its instances have in common. */
  readonly handler: string;
  /** Whether one of the instances handled it, or each. */
  readonly mode: "compete" | "broadcast";
  /** Why it is one. */
  readonly reason: DeadLetterReason;
  /** The error that ended it. */
  readonly error: DeadLetterError;
  /** How often it was delivered. */
  readonly attempts: number;
  /** When it became one, ISO 8601, on the clock of the instance. */
  readonly deadAt: string;
  /** The subject that it was published to. */
  readonly subject: string;
  /** The stream that it came from. */
  readonly stream: string;
  /** Its sequence there. */
  readonly sequence: number;
  /** When it was stored there, in milliseconds since the epoch on the broker's clock. */
  readonly storedAt: number;
}

const ID = "Nats-Msg-Id";
const NAMES = {
  service: "aegis-dead-service",
  instanceId: "aegis-dead-instance",
  handler: "aegis-dead-handler",
  mode: "aegis-dead-mode",
  reason: "aegis-dead-reason",
  error: "aegis-dead-error",
  attempts: "aegis-dead-attempts",
  deadAt: "aegis-dead-at",
  subject: "aegis-dead-subject",
  stream: "aegis-dead-stream",
  sequence: "aegis-dead-sequence",
  storedAt: "aegis-dead-stored-at",
} as const;
/** The id that the message had; the dead letter has one of its own. */
const ORIGINAL_ID = "aegis-dead-id";
/** What headers are called that a server would act on, such as `Nats-Expected-Stream` and `Nats-TTL`: behind it their own name. */
const INERT = "aegis-dead-header-";
/** On a dead letter whose bytes did not fit beside its facts: they are still where it came from. */
const BODY_ELSEWHERE = "aegis-dead-body-elsewhere";
/** On a replayed message: the only handler that it is for. */
export const REPLAY_HEADER = "aegis-replay-for";

const MAX_ERROR = 16_384;
const MAX_MESSAGE = 2_000;

/** The subject of dead letters of a service, of one kind. `rest` is the type of the event or the command, or a pattern. */
export function deadLetterSubject(
  kind: DeadLetterKind | "*",
  service: string,
  rest: string,
): string {
  return `${DEAD_LETTERS_PREFIX}.${kind}.${service}.${rest}`;
}

/** The type of an event, or the name of a command, by the subject that it was published to. */
export function typeOfSubject(kind: DeadLetterKind, subject: string): string {
  const tokens = subject.split(".");
  return kind === "events" ? tokens.slice(1).join(".") : tokens[2] ?? subject;
}

/**
 * The subject on which it is kept how often a suspect has begun, which is no dead letter yet: of a handler and of a
 * message, told by its place and its time, since a stream that was removed and made again has the same places.
 */
export function suspectSubject(handler: string, sequence: number, storedAt: number): string {
  return `${DEAD_LETTERS_PREFIX}.suspects.${handler}.${sequence}-${storedAt}`;
}

/** The headers of a dead letter: those of the message, and the facts. */
export function deadLetterHeaders(
  headers: Readonly<Record<string, string>>,
  facts: DeadLetterFacts,
  bodyElsewhere: boolean,
): Record<string, string> {
  // Whoever copies a dead letter by hand to where it came from copies these along.
  const dropped = [ORIGINAL_ID, BODY_ELSEWHERE, REPLAY_HEADER];
  const all: Record<string, string> = Object.fromEntries(
    Object.entries(headers).filter(([name]) => !dropped.includes(name)).map(([name, value]) => [
      // What the server was told when the message was published it must not be told of the dead letter.
      name === ID ? ORIGINAL_ID : isForServer(name) ? `${INERT}${name}` : name,
      value,
    ]),
  );
  // Two instances may give the same message up at the same time, or one may not hear that it is stored and try again.
  // A stream that was removed and made again has the same sequences for other messages, at other times.
  all[ID] = `dead:${facts.handler}:${facts.stream}:${facts.sequence}:${facts.storedAt}`;
  for (const key of Object.keys(NAMES) as (keyof typeof NAMES)[]) {
    if (key !== "error") all[NAMES[key]] = String(facts[key]);
  }
  const { code, message, issues } = facts.error;
  const short = { code: code.slice(0, 256), message: message.slice(0, MAX_MESSAGE) };
  all[NAMES.error] =
    (issues === undefined ? undefined : headerJson({ ...short, issues }, MAX_ERROR)) ??
      headerJson(short, MAX_ERROR) ?? headerJson({ code: short.code, message: "" }, MAX_ERROR)!;
  if (bodyElsewhere) all[BODY_ELSEWHERE] = "true";
  return all;
}

/** What the headers of a dead letter hold. */
export interface DeadLetterParts {
  /** The facts. */
  readonly facts: DeadLetterFacts;
  /** The headers that the message had. */
  readonly headers: Readonly<Record<string, string>>;
  /** Whether its bytes are still where it came from, and not here. */
  readonly bodyElsewhere: boolean;
}

/** Reads the headers of a dead letter; undefined where they are none. */
export function readDeadLetterHeaders(
  all: Readonly<Record<string, string>>,
): DeadLetterParts | undefined {
  const own = new Set<string>([...Object.values(NAMES), ORIGINAL_ID, BODY_ELSEWHERE, ID]);
  const headers = Object.fromEntries(
    Object.entries(all).filter(([name]) => !own.has(name)).map(([name, value]) => [
      name.startsWith(INERT) ? name.slice(INERT.length) : name,
      value,
    ]),
  );
  if (all[ORIGINAL_ID] !== undefined) headers[ID] = all[ORIGINAL_ID];
  const text = (key: keyof typeof NAMES): string => all[NAMES[key]] ?? "";
  const reason = text("reason");
  if (!isReason(reason) || text("subject") === "") return undefined;
  return {
    facts: {
      service: text("service"),
      instanceId: text("instanceId"),
      handler: text("handler"),
      mode: text("mode") === "broadcast" ? "broadcast" : "compete",
      reason,
      error: readError(text("error")),
      attempts: Number(text("attempts")) || 0,
      deadAt: text("deadAt"),
      subject: text("subject"),
      stream: text("stream"),
      sequence: Number(text("sequence")) || 0,
      storedAt: Number(text("storedAt")) || 0,
    },
    headers,
    bodyElsewhere: all[BODY_ELSEWHERE] === "true",
  };
}

/** Whether a header tells a server what to do with the message that it is on. */
export function isForServer(name: string): boolean {
  return /^nats-/i.test(name);
}

function isReason(text: string): text is DeadLetterReason {
  return (DEAD_LETTER_REASONS as readonly string[]).includes(text);
}

function readError(text: string): DeadLetterError {
  try {
    const { code, message, issues } = JSON.parse(text) as Partial<DeadLetterError>;
    if (typeof code === "string" && typeof message === "string") {
      return { code, message, ...(Array.isArray(issues) ? { issues } : {}) };
    }
  } catch {
    // It is no JSON.
  }
  // Somebody else has written it: what it says is better than nothing.
  return { code: "UNKNOWN", message: text };
}
