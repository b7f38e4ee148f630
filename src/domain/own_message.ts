// Messages as this SDK itself writes them, read without parsing the envelope: only what differs from message to message.

import { isRecord } from "./envelope.ts";
import type { RpcRequest } from "./message.ts";
import { assertShape } from "./shape.ts";

const ID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const TIME = String
  .raw`\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z`;
const REQUEST = new RegExp(
  `^{"message_id":"${ID}","trace_id":"${ID}","correlation_id":null,"timestamp":"${TIME}",`,
);
const RESPONSE = new RegExp(
  `^{"message_id":"${ID}","trace_id":"${ID}","correlation_id":"${ID}","timestamp":"${TIME}",`,
);
/** Where the fields of fixed length begin and end, in characters. */
const AT = {
  messageId: [15, 51],
  traceId: [65, 101],
  requestTime: [138, 162],
  requestRest: 164,
  correlationId: 121,
  responseRest: 198,
} as const;
const SUCCESS_END = ',"error":null}';
const TIMEOUT = ',"timeout":';
const REQUEST_MARK = ',"params":';
const RESPONSE_MARK = ',"success":true,"result":';
/** Parties that are compared one by one; further ones are looked up, which costs a little more. */
const MAX_NEAR = 8;
/** Beyond this number the further ones are forgotten, so that names from outside cannot fill the memory. */
const MAX_FAR = 1_000;

interface Parties {
  readonly text: string;
  readonly source: string | null;
  readonly target: string | null;
}

/** Reads requests for one method. What is not just as this SDK writes it is left to the reader of any JSON. */
export class OwnRequests {
  readonly #method: string;
  readonly #known = new KnownParties(AT.requestRest, REQUEST_MARK);
  #timeoutText = "";
  #timeout: unknown;

  /** Makes a reader of requests for `method`. */
  constructor(method: string) {
    this.#method = method;
  }

  /** The request, or undefined when the text must be parsed in full. @throws {ValidationError} for what no honest sender writes. */
  read(text: string): RpcRequest | undefined {
    const parties = this.#known.of(text);
    if (parties === undefined || !REQUEST.test(text)) return undefined;
    const end = text.lastIndexOf(TIMEOUT);
    const params = parse(text, AT.requestRest + parties.text.length, end);
    const timeout = this.#timeoutAt(text, end + TIMEOUT.length);
    if (
      !isRecord(params) || typeof timeout !== "number" || !(timeout > 0 && timeout < Infinity) ||
      !text.endsWith("}")
    ) return undefined;
    assertShape(params, 2);
    return {
      messageId: text.slice(...AT.messageId),
      traceId: text.slice(...AT.traceId),
      correlationId: null,
      timestamp: text.slice(...AT.requestTime),
      source: parties.source,
      target: parties.target,
      method: this.#method,
      params,
      timeoutMs: Math.min(timeout * 1_000, Number.MAX_SAFE_INTEGER),
    };
  }

  /** Remembers between whom a request that was parsed in full went. */
  learn(text: string, { source, target }: RpcRequest): void {
    const rest = `"source":${JSON.stringify(source)},"target":${JSON.stringify(target)},"method":${
      JSON.stringify(this.#method)
    }${REQUEST_MARK}`;
    this.#known.add({ text: rest, source, target }, text);
  }

  /** The time-out, which is mostly that of the call before. */
  #timeoutAt(text: string, start: number): unknown {
    const digits = text.slice(start, -1);
    if (digits !== this.#timeoutText) {
      this.#timeout = parse(text, start, text.length - 1);
      this.#timeoutText = digits;
    }
    return this.#timeout;
  }
}

/** Reads results. What is not just as this SDK writes it, and every error, is left to the reader of any JSON. */
export class OwnResults {
  readonly #known = new KnownParties(AT.responseRest, RESPONSE_MARK);

  /**
   * The result that answers `messageId`, in an array of its own; undefined when the text must be parsed in full.
   *
   * @throws {ValidationError} for what no honest sender writes.
   */
  read(text: string, messageId: string): { readonly result: unknown } | undefined {
    const parties = this.#known.of(text);
    if (
      parties === undefined || !text.startsWith(messageId, AT.correlationId) ||
      !text.endsWith(SUCCESS_END) || !RESPONSE.test(text)
    ) return undefined;
    const start = AT.responseRest + parties.text.length;
    const result = parse(text, start, text.length - SUCCESS_END.length);
    if (result === undefined) return undefined;
    assertShape(result, 2);
    return { result };
  }

  /** Remembers between whom a result that was parsed in full went. */
  learn(text: string, source: string | null, target: string | null): void {
    const rest = `"source":${JSON.stringify(source)},"target":${
      JSON.stringify(target)
    }${RESPONSE_MARK}`;
    this.#known.add({ text: rest, source, target }, text);
  }
}

/**
 * Between whom messages go, told by the text from the source to where the content begins. A gateway hears of many, in
 * turn: none may drive another out, or each would be parsed in full.
 */
class KnownParties {
  readonly #at: number;
  readonly #mark: string;
  readonly #near: Parties[] = [];
  readonly #far = new Map<string, Parties>();

  constructor(at: number, mark: string) {
    this.#at = at;
    this.#mark = mark;
  }

  of(text: string): Parties | undefined {
    const near = this.#near;
    for (let i = 0; i < near.length; i++) {
      const parties = near[i]!;
      if (text.startsWith(parties.text, this.#at)) return parties;
    }
    if (this.#far.size === 0) return undefined;
    const end = text.indexOf(this.#mark, this.#at);
    return end === -1 ? undefined : this.#far.get(text.slice(this.#at, end + this.#mark.length));
  }

  add(parties: Parties, text: string): void {
    if (!text.startsWith(parties.text, this.#at) || this.of(text) !== undefined) return;
    if (this.#near.length < MAX_NEAR) this.#near.push(parties);
    else {
      if (this.#far.size >= MAX_FAR) this.#far.clear();
      this.#far.set(parties.text, parties);
    }
  }
}

/** The value between two places; undefined when there is none. */
function parse(text: string, start: number, end: number): unknown {
  try {
    return JSON.parse(text.slice(start, end));
  } catch {
    // Not as this SDK writes it: the reader of any JSON says what is wrong.
    return undefined;
  }
}
