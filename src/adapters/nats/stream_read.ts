// What a stream holds: reading and removing single messages.

import { AegisError } from "../../domain/error.ts";
import type { LastOptions, StoredMessage } from "../../ports/stream.ts";
import type { Ask } from "./ask.ts";
import { parseHeaders } from "./header_block.ts";
import type { NatsMessage } from "./message.ts";
import type { ApiError } from "./pub_ack.ts";
import { NO_NAME, type StreamApi } from "./stream_api.ts";
import { API_ERROR, isApiError, streamsDisabled, translateApiError } from "./stream_error.ts";

/** How long reading may take, in milliseconds. */
const TIMEOUT_MS = 5_000;
/**
 * How long a direct answer may take, in milliseconds, before the leader is asked: servers before 2.10 say nothing where there
 * is nobody who could answer.
 */
const DIRECT_MS = 1_000;
/** The longest subject that surely fits into a question that has it in its own subject, in characters. */
const MAX_DIRECT = 1_000;
/** What a server that was asked directly adds after the headers of a message begins with this. */
const ADDED = "\r\nNats-Stream:";

type Query = Readonly<Record<string, unknown>>;

/** A message as a stream's leader writes it. */
interface Found {
  readonly subject: string;
  readonly seq: number;
  readonly time: string;
  readonly data?: string;
  readonly hdrs?: string;
}

/** The answer of a stream's leader. */
interface Answer {
  readonly error?: ApiError;
  readonly message?: Found;
}

/** Reads messages of streams, of the JetStream whose API has a prefix. */
export class StreamReader {
  readonly #ask: Ask;
  readonly #prefix: string;
  readonly #decoder = new TextDecoder();
  /** Streams of which this user may ask the leader alone. */
  readonly #withoutDirect = new Set<string>();

  /** Makes a reader. */
  constructor(ask: Ask, prefix: string) {
    this.#ask = ask;
    this.#prefix = prefix;
  }

  /** The connection is there again: what this user was not allowed it may be now. */
  returned(): void {
    this.#withoutDirect.clear();
  }

  /**
   * The first message at `sequence` or after it that `filter` fits. It is asked of the stream's leader: what other servers
   * hold may be old.
   */
  read(stream: string, sequence: number, filter: string): Promise<StoredMessage | undefined> {
    return this.#fromLeader(stream, { seq: sequence, next_by_subj: filter }, TIMEOUT_MS);
  }

  /** The last message of a subject. The stream's leader is asked as well, unless any server will do. */
  async last(
    stream: string,
    subject: string,
    { direct = false, timeoutMs = TIMEOUT_MS }: LastOptions = {},
  ): Promise<StoredMessage | undefined> {
    const end = performance.now() + timeoutMs;
    if (direct && subject.length <= MAX_DIRECT && !this.#withoutDirect.has(stream)) {
      const found = await this.#direct(stream, subject, Math.min(DIRECT_MS, timeoutMs / 2));
      if (found !== undefined) return found;
    }
    return await this.#fromLeader(stream, { last_by_subj: subject }, end - performance.now());
  }

  /** The sequence of the last message that a filter fits, as the stream's leader knows it; 0 where there is none. */
  lastSequence(stream: string, filter: string): Promise<number> {
    const query = { last_by_subj: filter };
    return this.#askLeader(stream, query, TIMEOUT_MS, (found) => found?.seq ?? 0);
  }

  /** The last message of a subject as some server knows it; undefined where only the leader can tell. */
  #direct(stream: string, subject: string, timeoutMs: number): Promise<StoredMessage | undefined> {
    const what = assertName(stream);
    const asked = `${this.#prefix}.DIRECT.GET.${stream}.${subject}`;
    // The server of a mirror answers for its origin, and may hold what is old: then it names the mirror. Nor does it count
    // when it has nothing. Where nobody answers, the stream is not there, or takes no such questions.
    return this.#ask.ask(what, asked, "", timeoutMs, (message) => directMessage(message, stream))
      .catch((error) => {
        if (AegisError.is(error, "PERMISSION_DENIED")) this.#withoutDirect.add(stream);
        else if (!AegisError.is(error, "TIMEOUT")) throw error;
        return undefined;
      });
  }

  #fromLeader(
    stream: string,
    query: Query,
    timeoutMs: number,
  ): Promise<StoredMessage | undefined> {
    return this.#askLeader(stream, query, timeoutMs, (found) => found && this.#stored(found));
  }

  async #askLeader<T>(
    stream: string,
    query: Query,
    timeoutMs: number,
    read: (found: Found | undefined) => T,
  ): Promise<T> {
    const what = assertName(stream);
    const asked = `${this.#prefix}.STREAM.MSG.GET.${stream}`;
    return await this.#ask.ask(what, asked, JSON.stringify(query), timeoutMs, (answer) => {
      if (answer.isNoResponders) throw streamsDisabled(what);
      const { error, message } = this.#json(answer, what);
      if (error?.err_code === API_ERROR.noMessageFound) return read(undefined);
      if (error !== undefined) throw translateApiError(error, what, true);
      if (message === undefined) throw noAnswer(what);
      return read(message);
    });
  }

  #stored({ subject, seq, time, data, hdrs }: Found): StoredMessage {
    return {
      subject,
      sequence: seq,
      storedAt: timeMs(time),
      data: bytesOf(data),
      headers: hdrs === undefined ? {} : parseHeaders(this.#decoder.decode(bytesOf(hdrs))),
    };
  }

  #json(answer: NatsMessage, what: string): Answer {
    try {
      return JSON.parse(answer.ascii ?? this.#decoder.decode(answer.data)) as Answer;
    } catch (cause) {
      throw noAnswer(what, cause);
    }
  }
}

/** What was asked directly, where it is a message of that stream. */
function directMessage(message: NatsMessage, stream: string): StoredMessage | undefined {
  if (message.status.code !== 0) return undefined;
  const block = message.headerBlock;
  const end = block.lastIndexOf(ADDED);
  const added = parseHeaders(block.slice(end));
  const { "Nats-Subject": subject, "Nats-Sequence": sequence, "Nats-Time-Stamp": time } = added;
  if (added["Nats-Stream"] !== stream || !subject || !sequence || !time) return undefined;
  return {
    subject,
    sequence: Number(sequence),
    storedAt: timeMs(time),
    data: message.data,
    headers: parseHeaders(block.slice(0, end)),
  };
}

/** Removes a message; false when it was not there. */
export function removeMessage(api: StreamApi, stream: string, sequence: number): Promise<boolean> {
  return api.run(
    `remove message ${sequence} of the stream ${stream}`,
    (manager) => manager.streams.deleteMessage(stream, sequence, false),
    (error) =>
      isApiError(
          error,
          API_ERROR.noMessageFound,
          API_ERROR.sequenceNotFound,
          API_ERROR.streamMessageDeleteFailed,
        )
        ? false
        : undefined,
  );
}

/** A time such as `2026-01-01T00:00:00.123456789Z`: its milliseconds are cut, as in what is delivered, and not rounded. */
export function timeMs(timestamp: string): number {
  const [seconds = "", fraction = ""] = timestamp.replace("Z", "").split(".");
  return Date.parse(`${seconds}Z`) + Number(fraction.slice(0, 3).padEnd(3, "0"));
}

/** What is to be done with a stream, once its name is one. */
function assertName(stream: string): string {
  const what = `read the stream ${stream}`;
  if (!NO_NAME.test(stream)) return what;
  throw new TypeError(`Cannot ${what}: it has a character that no name has`);
}

function bytesOf(base64: string = ""): Uint8Array {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function noAnswer(what: string, cause?: unknown): AegisError {
  return new AegisError("NATS", `Cannot ${what}: whoever answered is no stream`, { cause });
}
