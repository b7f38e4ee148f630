// What a stream says of a message that was published to it: the bytes read, most of the time without parsing JSON.

import { flatCopy } from "../../domain/flat.ts";
import type { PublishAck } from "../../ports/stream.ts";

/** An error in the words of JetStream. */
export interface ApiError {
  /** The status, such as 503. */
  readonly code?: number;
  /** What exactly, such as 10077. */
  readonly err_code?: number;
  /** In words. */
  readonly description?: string;
}

/** The answer of a stream. */
interface Answer {
  readonly error?: ApiError;
  readonly stream?: string;
  readonly seq?: number;
  readonly duplicate?: boolean;
}

/** What answers of one stream begin with, up to the sequence. */
interface Known {
  readonly prefix: string;
  readonly stream: string;
}

/**
 * Servers before 2.11 say that a message is a duplicate while the one before it is still being replicated, which may come
 * to nothing: then there is no sequence. Newer ones give this error.
 */
const IN_PROCESS: ApiError = {
  code: 409,
  err_code: 10158,
  description: "duplicate message id is in process",
};
/** How many streams are known at once; one connection publishes to few. */
const MAX_KNOWN = 8;
const DUPLICATE = ',"duplicate": true}';
const CLOSING = "}".charCodeAt(0);
const ZERO = "0".charCodeAt(0);
const NINE = "9".charCodeAt(0);

/** Reads answers. All answers of one stream begin alike: what was parsed once is compared from then on. */
export class PubAcks {
  readonly #known: Known[] = [];

  /**
   * What an answer says.
   *
   * @throws {SyntaxError} when it is none.
   */
  read(text: string): PublishAck | ApiError {
    const answer = this.#read(text);
    return "sequence" in answer && answer.sequence === 0 ? IN_PROCESS : answer;
  }

  #read(text: string): PublishAck | ApiError {
    for (const { prefix, stream } of this.#known) {
      if (!text.startsWith(prefix)) continue;
      let at = prefix.length;
      let sequence = 0;
      for (
        let code = text.charCodeAt(at);
        code >= ZERO && code <= NINE;
        code = text.charCodeAt(++at)
      ) {
        sequence = sequence * 10 + (code - ZERO);
      }
      if (at === prefix.length) break;
      if (text.charCodeAt(at) === CLOSING && at === text.length - 1) {
        return { stream, sequence, duplicate: false };
      }
      if (text.endsWith(DUPLICATE) && at === text.length - DUPLICATE.length) {
        return { stream, sequence, duplicate: true };
      }
    }
    return this.#parse(text);
  }

  #parse(text: string): PublishAck | ApiError {
    const answer = JSON.parse(text) as Answer | null;
    if (answer?.error !== undefined) return answer.error;
    if (typeof answer?.stream !== "string" || typeof answer.seq !== "number") {
      throw new SyntaxError("it is no answer of a stream");
    }
    const { stream, seq: sequence, duplicate = false } = answer;
    const [prefix] = /^\{"stream":[^{}]*"seq":(?=\d+[,}])/.exec(text) ?? [];
    if (prefix !== undefined && !this.#known.some((known) => known.prefix === prefix)) {
      if (this.#known.length >= MAX_KNOWN) this.#known.shift();
      // A piece of what was read would keep all of it.
      this.#known.push({ prefix: flatCopy(prefix), stream });
    }
    return { stream, sequence, duplicate };
  }
}
