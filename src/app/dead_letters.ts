// Dead letters as a client sees them: listed, replayed to the handler that failed, or discarded.

import { assertKeys, isPlainObject, show } from "../domain/check.ts";
import {
  DEAD_LETTER_REASONS,
  type DeadLetterFacts,
  type DeadLetterKind,
  type DeadLetterReason,
  deadLetterSubject,
  isForServer,
  readDeadLetterHeaders,
  REPLAY_HEADER,
  typeOfSubject,
} from "../domain/dead_letter.ts";
import { AegisError, ConflictError } from "../domain/error.ts";
import { assertEventPattern } from "../domain/event_type.ts";
import { assertServiceName } from "../domain/subject.ts";
import type { StoredMessage } from "../ports/stream.ts";
import type { BusStreams } from "./bus_streams.ts";
import type { Runtime } from "./runtime.ts";

/** What a service could not handle. */
export interface DeadLetter extends DeadLetterFacts {
  /** Its own id, for {@linkcode DeadLetterBox.replayDeadLetter}. */
  readonly id: string;
  /** What it is. */
  readonly kind: "event" | "command";
  /** The type of the event, such as `"order.created"`, or the name of the command. */
  readonly type: string;
  /** The headers that it had. */
  readonly headers: Readonly<Record<string, string>>;
  /** Its bytes, as they were published. */
  readonly body: Uint8Array;
  /** Whether it holds its bytes; those that were too large to stand beside the reason are still in their stream. */
  readonly bodyElsewhere: boolean;
}

/** Which dead letters are meant: those that fit all that is given. */
export interface DeadLetterFilter {
  /** Those of this service. */
  readonly service?: string;
  /** Those of events, or of commands. */
  readonly kind?: "event" | "command";
  /** Those of events whose types match this pattern, and of commands of this name. */
  readonly type?: string;
  /** Those with this reason. */
  readonly reason?: DeadLetterReason;
  /** Those with these ids. */
  readonly ids?: readonly string[];
  /** As many, the oldest first. @default {1000 where they are listed, else all} */
  readonly limit?: number;
}

/** Dead letters of all services. */
export interface DeadLetterBox {
  /**
   * The dead letters that fit, the oldest first.
   *
   * @throws {AegisError} with code `JETSTREAM_DISABLED`, {UnavailableError} while the bus is away.
   */
  listDeadLetters(filter?: DeadLetterFilter): Promise<DeadLetter[]>;
  /**
   * Has a dead letter handled again, by the service and the handler that failed at it, and by no other; false when there
   * is none of that id. Should it fail again it becomes a dead letter again. One of a broadcast goes to every instance. A
   * command is `pending` again under its own id, with all its attempts; one that was done or cancelled after that is not
   * run, and its dead letter removed.
   *
   * @throws {AegisError} with code `HANDLER_GONE` when its handler is not there any more, `GONE` when its bytes are not.
   * @throws {ConflictError} when a command of that id waits or runs.
   */
  replayDeadLetter(id: string): Promise<boolean>;
  /** Has all that fit handled again, those that there are now, but for commands that wait or run; how many. */
  replayDeadLetters(filter?: DeadLetterFilter): Promise<number>;
  /** Removes a dead letter for good; false when there is none of that id. */
  discardDeadLetter(id: string): Promise<boolean>;
  /** Removes all that fit for good, those that there are now; how many. */
  discardDeadLetters(filter?: DeadLetterFilter): Promise<number>;
}

/** Prepares a dead command for another run; the headers that it needs for that, undefined where it needs none any more. */
export type Reopen = (
  letter: DeadLetter,
  body: Uint8Array,
) => Promise<Record<string, string> | undefined>;

const COMMAND = /^[a-zA-Z][\w-]*$/;
const LISTED = 1_000;
const TIMEOUT_MS = 5_000;

/** The dead letters that are reached over one bus. */
export class DeadLetters implements DeadLetterBox {
  readonly #runtime: Runtime;
  readonly #streams: BusStreams;
  readonly #reopen: Reopen;

  constructor(runtime: Runtime, streams: BusStreams, reopen: Reopen) {
    this.#runtime = runtime;
    this.#streams = streams;
    this.#reopen = reopen;
  }

  async listDeadLetters(filter: DeadLetterFilter = {}): Promise<DeadLetter[]> {
    assertFilter(filter);
    const found: DeadLetter[] = [];
    const { limit = LISTED } = filter;
    await this.#each({ ...filter, limit }, (letter) => void found.push(letter));
    return found;
  }

  async replayDeadLetter(id: string): Promise<boolean> {
    assertId(id);
    return await this.replayDeadLetters({ ids: [id] }) > 0;
  }

  async replayDeadLetters(filter: DeadLetterFilter = {}): Promise<number> {
    assertFilter(filter);
    return await this.#each(filter, async (letter, stream) => {
      try {
        return await this.#replay(letter, stream);
      } catch (error) {
        // One that is in work again holds up none of the others.
        if (filter.ids !== undefined || !ConflictError.is(error)) throw error;
        this.#runtime.logger.warn("A dead letter is not replayed, for its command is in work", {
          error,
        });
        return false;
      }
    });
  }

  async discardDeadLetter(id: string): Promise<boolean> {
    assertId(id);
    return await this.discardDeadLetters({ ids: [id] }) > 0;
  }

  async discardDeadLetters(filter: DeadLetterFilter = {}): Promise<number> {
    assertFilter(filter);
    const { store } = this.#streams.ports;
    return await this.#each(filter, ({ id }, stream) => store.remove(stream, Number(id)));
  }

  /** Does something with each that fits and was there at the beginning; how many there were. */
  async #each(
    { service = "*", kind, type = ">", reason, ids, limit = Infinity }: DeadLetterFilter,
    use: (letter: DeadLetter, stream: string) => void | Promise<void | boolean>,
  ): Promise<number> {
    const { admin, store } = this.#streams.ports;
    const stream = await this.#streams.lookUp("deadLetters");
    const state = stream === undefined ? undefined : await admin.stream(stream);
    if (stream === undefined || state === undefined) return 0;
    const of = kind === undefined ? "*" : `${kind}s` as DeadLetterKind;
    const subject = deadLetterSubject(of, service, type);
    // What fails again while this goes on is not met again.
    const { lastSequence } = state;
    const wanted = ids === undefined ? undefined : [...ids].map(Number).sort((a, b) => a - b);
    let count = 0;
    let sequence = 1;
    while (count < limit) {
      if (wanted !== undefined) {
        const next = wanted.shift();
        if (next === undefined) break;
        sequence = next;
      }
      const stored = await store.read(stream, sequence, subject);
      if (stored === undefined || stored.sequence > lastSequence) {
        if (wanted === undefined) break;
        continue;
      }
      if (wanted !== undefined && stored.sequence !== sequence) continue;
      sequence = stored.sequence + 1;
      const letter = letterOf(stored);
      if (letter === undefined || (reason !== undefined && letter.reason !== reason)) continue;
      if (await use(letter, stream) !== false) count++;
    }
    return count;
  }

  async #replay(letter: DeadLetter, stream: string): Promise<boolean> {
    const { admin, store } = this.#streams.ports;
    // Each instance has a consumer of its own for a broadcast; the one for all others would be there to take it.
    if (
      letter.mode === "compete" &&
      await admin.consumer(letter.stream, letter.handler) === undefined
    ) {
      throw new AegisError(
        "HANDLER_GONE",
        `Cannot replay dead letter ${letter.id}: its handler ${letter.handler} of ${letter.service} is not there any more, and no other would take it; start a service with that handler, or discard it`,
        { details: { id: letter.id, service: letter.service, handler: letter.handler } },
      );
    }
    const body = letter.bodyElsewhere ? await this.#bodyOf(letter) : letter.body;
    const reopened = letter.kind === "command" ? await this.#reopen(letter, body) : {};
    if (reopened === undefined) {
      // It was done after that, or taken back.
      await store.remove(stream, Number(letter.id));
      return false;
    }
    const headers = {
      // What the server was told about the first publishing it must not be told about this one.
      ...Object.fromEntries(Object.entries(letter.headers).filter(([name]) => !isForServer(name))),
      // Two who replay it at the same time, or one who does not hear that it is stored, make one event of it.
      "Nats-Msg-Id": `replay:${letter.id}:${letter.deadAt}`,
      ...(letter.kind === "event" ? { [REPLAY_HEADER]: letter.handler } : reopened),
    };
    await store.publish(letter.subject, body, headers, TIMEOUT_MS);
    await store.remove(stream, Number(letter.id));
    this.#runtime.logger.info(`A dead letter of ${letter.service} is replayed`, {
      id: letter.id,
      type: letter.type,
    });
    return true;
  }

  async #bodyOf(letter: DeadLetter): Promise<Uint8Array> {
    const { stream, sequence, subject } = letter;
    const stored = await this.#streams.ports.store.read(stream, sequence, subject);
    if (stored?.sequence === sequence) return stored.data;
    throw new AegisError(
      "GONE",
      `Cannot replay dead letter ${letter.id}: its bytes were left in ${stream} at ${sequence}, where they are no more; discardDeadLetter() removes it`,
    );
  }
}

function letterOf(
  { sequence, subject, data, headers: all }: StoredMessage,
): DeadLetter | undefined {
  const parts = readDeadLetterHeaders(all);
  const kind = subject.split(".")[1];
  if (parts === undefined || (kind !== "events" && kind !== "commands")) return undefined;
  return {
    ...parts.facts,
    id: String(sequence),
    kind: kind === "events" ? "event" : "command",
    type: typeOfSubject(kind, parts.facts.subject),
    headers: parts.headers,
    body: data,
    bodyElsewhere: parts.bodyElsewhere,
  };
}

function assertFilter(filter: unknown): asserts filter is DeadLetterFilter {
  if (!isPlainObject(filter)) {
    throw new TypeError(
      `Cannot use ${show(filter)} as a filter of dead letters: it must be an object`,
    );
  }
  const where = "of a filter of dead letters";
  assertKeys(filter, ["service", "kind", "type", "reason", "ids", "limit"], where);
  const { service, kind, type, reason, ids, limit } = filter;
  if (service !== undefined) assertServiceName(service);
  if (kind !== undefined && kind !== "event" && kind !== "command") {
    throw new TypeError(
      `Cannot use ${show(kind)} as option "kind" ${where}: it must be "event" or "command"`,
    );
  }
  // The name of a command is a single token, which is no pattern of events.
  const isCommand = kind !== "event" && typeof type === "string" && COMMAND.test(type);
  if (type !== undefined && !isCommand) {
    assertEventPattern(type);
  }
  if (reason !== undefined && !DEAD_LETTER_REASONS.includes(reason as DeadLetterReason)) {
    throw new TypeError(
      `Cannot use ${show(reason)} as option "reason" ${where}: it must be one of ${
        DEAD_LETTER_REASONS.join(", ")
      }`,
    );
  }
  if (ids !== undefined && !(Array.isArray(ids) && ids.every(isId))) {
    throw new TypeError(
      `Cannot use ${
        show(ids)
      } as option "ids" ${where}: it must be an array of ids that listDeadLetters() gave`,
    );
  }
  if (
    limit !== undefined && limit !== Infinity && !(Number.isInteger(limit) && Number(limit) >= 1)
  ) {
    throw new RangeError(
      `Cannot use ${
        show(limit)
      } as option "limit" ${where}: it must be a whole number of at least 1`,
    );
  }
}

function assertId(id: unknown): void {
  if (isId(id)) return;
  throw new TypeError(
    `Cannot use ${show(id)} as the id of a dead letter: it must be one that listDeadLetters() gave`,
  );
}

function isId(id: unknown): boolean {
  return typeof id === "string" && /^[1-9]\d{0,15}$/.test(id);
}
