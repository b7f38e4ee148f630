// Messages off the wire: what one read of the socket brought is decoded once, and each message is a piece of that text.

import type { Msg } from "@nats-io/nats-core";
import type { Message } from "../../ports/messaging.ts";

/** What of a message's insides is used, where it is there: views into the buffer that the socket was read into. */
interface RawMessage extends Msg {
  readonly _rdata?: Uint8Array;
  readonly _msg?: {
    readonly hdr: number;
    readonly subject: Uint8Array;
    readonly reply?: Uint8Array;
  };
}

/** Reads of more than this are not decoded as a whole: they carry large bodies, for which it gains nothing. */
const MAX_READ = 128 * 1024;

/** Turns the messages of one connection into those of the port. */
export class Reads {
  readonly #decoder = new TextDecoder();
  #buffer: ArrayBufferLike | undefined;
  #text: string | undefined;
  readonly #forget = (): void => {
    this.#buffer = this.#text = undefined;
  };

  /** The message that nats.js hands over, in the turn in which it does. */
  message(raw: Msg): Message {
    const { _rdata, _msg } = raw as RawMessage;
    if (_rdata === undefined || _msg === undefined) return new NatsMessage(raw, undefined, 0, 0, 0);
    const { buffer, byteOffset } = _rdata;
    if (buffer !== this.#buffer) this.#read(buffer);
    return new NatsMessage(
      raw,
      this.#text,
      byteOffset,
      byteOffset + (_msg.hdr > 0 ? _msg.hdr : 0),
      byteOffset + _rdata.length,
    );
  }

  #read(buffer: ArrayBufferLike): void {
    // All messages of a read come in one turn. Later the runtime may use the buffer for other bytes.
    if (this.#buffer === undefined) queueMicrotask(this.#forget);
    this.#buffer = buffer;
    this.#text = undefined;
    if (buffer.byteLength > MAX_READ) return;
    const text = this.#decoder.decode(buffer);
    // Where every byte is ASCII, places in the text are places in the bytes. A character of more bytes makes the text
    // shorter; bytes that are no UTF-8 become the character that is looked for.
    if (text.length === buffer.byteLength && !text.includes("\ufffd")) this.#text = text;
  }
}

/** A message over nats.js. */
export class NatsMessage implements Message {
  readonly #raw: RawMessage;
  readonly #read: string | undefined;
  readonly #start: number;
  readonly #body: number;
  readonly #end: number;

  /** Makes the message of which `read`, the text of all that was read with it, holds headers and body from `start` to `end`. */
  constructor(raw: Msg, read: string | undefined, start: number, body: number, end: number) {
    this.#raw = raw as RawMessage;
    this.#read = read;
    this.#start = start;
    this.#body = body;
    this.#end = end;
  }

  get subject(): string {
    const { _msg, _rdata } = this.#raw;
    return this.#piece(_msg?.subject, _rdata) ?? this.#raw.subject;
  }

  get reply(): string | undefined {
    const { _msg, _rdata } = this.#raw;
    return this.#piece(_msg?.reply, _rdata) ?? this.#raw.reply;
  }

  get data(): Uint8Array {
    return this.#raw.data;
  }

  get ascii(): string | undefined {
    return this.#read?.slice(this.#body, this.#end);
  }

  /** A header by its exact name. */
  header(name: string): string | undefined {
    const block = this.#block();
    if (block === undefined) {
      const { headers } = this.#raw;
      return headers?.has(name) ? headers.get(name) : undefined;
    }
    const start = block.indexOf(`\r\n${name}:`);
    if (start === -1) return undefined;
    const from = start + name.length + 3;
    return block.slice(from, block.indexOf("\r\n", from)).trim();
  }

  /** All headers as they are on the wire; empty where there are none. */
  get headerBlock(): string {
    const block = this.#block();
    const { headers } = this.#raw;
    if (block !== undefined || headers === undefined) return block ?? "";
    const lines = headers.keys().flatMap((name) =>
      headers.values(name).map((value) => `${name}: ${value}\r\n`)
    );
    return `NATS/1.0\r\n${lines.join("")}\r\n`;
  }

  /** Whether it is the server's word that nobody listens. */
  get isNoResponders(): boolean {
    return this.#end === this.#body && this.#raw.data.length === 0 &&
      this.#raw.headers?.code === 503;
  }

  /** What the server says in place of a message, such as 409, and in words; 0 for a message. */
  get status(): { readonly code: number; readonly description: string } {
    const { headers } = this.#raw;
    return { code: headers?.code ?? 0, description: headers?.description ?? "" };
  }

  /** The header block, empty where there is none; undefined where nats.js has to be asked. */
  #block(): string | undefined {
    if (this.#read !== undefined) return this.#read.slice(this.#start, this.#body);
    const { _rdata, _msg } = this.#raw;
    if (_rdata === undefined || _msg === undefined) return undefined;
    return _msg.hdr > 0 ? new TextDecoder().decode(_rdata.subarray(0, _msg.hdr)) : "";
  }

  #piece(part: Uint8Array | undefined, whole: Uint8Array | undefined): string | undefined {
    if (this.#read === undefined || part === undefined || part.buffer !== whole?.buffer) {
      return undefined;
    }
    return this.#read.slice(part.byteOffset, part.byteOffset + part.length);
  }
}
