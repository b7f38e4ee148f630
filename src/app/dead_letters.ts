// Dead letters that are reached over one bus: listed, replayed to the handler that failed, or discarded.

import {
  type DeadLetterKind,
  deadLetterSubject,
  isForServer,
  readDeadLetterHeaders,
  REPLAY_HEADER,
  typeOfSubject,
} from "../domain/dead_letter.ts";
import { AegisError } from "../domain/error.ts";
import { instanceDurable } from "../domain/event_type.ts";
import type { StoredMessage } from "../ports/stream.ts";
import type { BusStreams } from "./bus_streams.ts";
import { assertFilter, assertLetter } from "./dead_letter_input.ts";
import type {
  DeadLetter,
  DeadLetterBox,
  DeadLetterFilter,
  DeadLetterOptions,
} from "./dead_letter_types.ts";
import { unlessAborted } from "./pause.ts";
import type { Runtime } from "./runtime.ts";

/** What is done with one of them; false where it does not count. */
type Use = (letter: DeadLetter, stream: string) => void | Promise<void | boolean>;

/** Prepares a dead command for another run; the headers that it needs for that, undefined where it needs none any more. */
export type Reopen = (
  letter: DeadLetter,
  body: Uint8Array,
) => Promise<Record<string, string> | undefined>;

const LISTED = 1_000;
const TIMEOUT_MS = 5_000;
/** How often it is looked whether an instance waits for messages: between two requests for some it does not for a moment. */
const LOOKS = 3;
/** The codes with which a dead letter cannot be replayed at the moment, whatever becomes of others. */
const STAYS: readonly string[] = ["CONFLICT", "HANDLER_GONE", "GONE"];

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

  async replayDeadLetter(id: string, options: DeadLetterOptions = {}): Promise<boolean> {
    assertLetter(id, options, "of replayDeadLetter()");
    return await this.#each({ ...options, ids: [id] }, (...of) => this.#replay(...of)) > 0;
  }

  async replayDeadLetters(filter: DeadLetterFilter = {}): Promise<number> {
    assertFilter(filter);
    return await this.#each(filter, async (letter, stream) => {
      try {
        return await this.#replay(letter, stream);
      } catch (error) {
        // One that cannot be replayed holds up none of the others.
        if (!AegisError.is(error) || !STAYS.includes(error.code)) throw error;
        const { id, service, handler } = letter;
        const fields = { error, id, service, handler };
        this.#runtime.logger.warn("A dead letter is not replayed, and stays", fields);
        return false;
      }
    });
  }

  async discardDeadLetter(id: string, options: DeadLetterOptions = {}): Promise<boolean> {
    assertLetter(id, options, "of discardDeadLetter()");
    return await this.discardDeadLetters({ ...options, ids: [id] }) > 0;
  }

  async discardDeadLetters(filter: DeadLetterFilter = {}): Promise<number> {
    assertFilter(filter);
    const { store } = this.#streams.ports;
    return await this.#each(filter, ({ id }, stream) => store.remove(stream, Number(id)));
  }

  /** Does something with each that fits and was there at the beginning; how many there were. */
  #each(filter: DeadLetterFilter, use: Use): Promise<number> {
    return unlessAborted(filter.signal, () => this.#eachOf(filter, use));
  }

  async #eachOf(
    { service = "*", kind, type = ">", reason, ids, limit = Infinity, signal }: DeadLetterFilter,
    use: Use,
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
      signal?.throwIfAborted();
      if (await use(letter, stream) !== false) count++;
    }
    return count;
  }

  async #replay(letter: DeadLetter, stream: string): Promise<boolean> {
    const { store } = this.#streams.ports;
    if (!await this.#isTaken(letter)) {
      const { id, service, handler, mode } = letter;
      throw new AegisError(
        "HANDLER_GONE",
        mode === "broadcast"
          ? `Cannot replay dead letter ${id}: no instance of ${service} is there whose handler ${handler} would take it; start one, or discard it`
          : `Cannot replay dead letter ${id}: its handler ${handler} of ${service} is not there any more, and no other would take it; start a service with that handler, or discard it`,
        { details: { id, service, handler } },
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

  /** Whether somebody takes what is published for its handler, now or later. */
  async #isTaken({ mode, stream, handler }: DeadLetter): Promise<boolean> {
    const { admin } = this.#streams.ports;
    if (mode === "compete") return await admin.consumer(stream, handler) !== undefined;
    // Each instance has a consumer of its own, named after the handler and its id.
    const prefix = instanceDurable(handler, "");
    const own = (await admin.consumers(stream)).filter((name) =>
      name.startsWith(prefix) && !name.includes("=", prefix.length)
    );
    for (let look = 1; look <= LOOKS; look++) {
      for (const name of own) {
        const state = await admin.consumer(stream, name);
        if (state === undefined) continue;
        // One that is kept for ever is for an instance that comes back; of another only what is there now takes anything.
        const { config: { inactiveThresholdMs }, waiting, ackPending } = state;
        if (inactiveThresholdMs === 0 || waiting > 0 || ackPending > 0) return true;
      }
    }
    return false;
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
