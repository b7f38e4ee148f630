// The writer: the messages of one tick as one piece of text, encoded once and sent at once.

import type { NatsConnection } from "@nats-io/nats-core";

/** Writes messages in the protocol of the server. */
export interface Writer {
  /** Adds a message; `headers` is a header block, `reply` is empty where no answer is wanted. */
  write(
    subject: string,
    reply: string,
    headers: string | undefined,
    body: string | Uint8Array,
  ): void;
  /** Hands over what was added; the connection writes it to the socket at the end of the tick. */
  flush(): void;
  /** Hands over what was added, and has it written to the socket now. */
  push(): void;
}

/** What of a connection's insides the writer needs: the same that `connection.publish()` ends in. */
interface Internals {
  readonly protocol?: {
    readonly sendCommand?: (command: Uint8Array, ...payloads: Uint8Array[]) => void;
    readonly flushPending?: () => void;
  };
}

/** Beyond this many characters a batch goes out before the end of the tick. */
const MAX_BATCH = 32 * 1024;
const CRLF = new Uint8Array([13, 10]);
/** What one message takes of the list of parts. */
const STRIDE = 4;

/**
 * A writer for `connection`, or undefined where its insides are not those of nats-core 3, as with a connection from
 * another library: then messages go through `connection.publish()` one by one.
 *
 * `publish()` encodes each command line, header block and body by itself and keeps three or four arrays a message. One
 * text a tick and one encoding of it cost a third of that.
 */
export function createWriter(connection: NatsConnection): Writer | undefined {
  const protocol = (connection as unknown as Internals).protocol;
  if (typeof protocol?.sendCommand !== "function") return undefined;
  const encoder = new TextEncoder();
  let batch = "";
  let parts: (string | undefined)[] = [];

  const flush = (): void => {
    if (batch === "") return;
    const text = batch;
    const sources = parts;
    batch = "";
    parts = [];
    const bytes = encoder.encode(text);
    // The lengths in the text are those of ASCII. Where there was anything else it shows in the sum, and the batch is
    // written again with every length counted.
    protocol.sendCommand!(bytes.length === text.length ? bytes : encodeCounted(encoder, sources));
  };

  return {
    write(subject, reply, headers, body) {
      if (typeof body !== "string") {
        // Bytes cannot join the text: what came before goes first, then the bytes as they are.
        flush();
        const [line, block] = head(encoder, subject, reply, headers, body.length);
        protocol.sendCommand!(line, ...(block === undefined ? [] : [block]), body, CRLF);
        return;
      }
      if (batch === "") queueMicrotask(flush);
      const target = reply === "" ? subject : `${subject} ${reply}`;
      batch += headers === undefined
        ? `PUB ${target} ${body.length}\r\n${body}\r\n`
        : `HPUB ${target} ${headers.length} ${
          headers.length + body.length
        }\r\n${headers}${body}\r\n`;
      parts.push(subject, reply, headers, body);
      if (batch.length > MAX_BATCH) flush();
    },
    flush,
    push() {
      flush();
      protocol.flushPending?.();
    },
  };
}

/** The batch with the lengths of its parts in bytes. */
function encodeCounted(encoder: TextEncoder, parts: readonly (string | undefined)[]): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (let i = 0; i < parts.length; i += STRIDE) {
    const body = encoder.encode(parts[i + 3]);
    const [line, block] = head(encoder, parts[i]!, parts[i + 1]!, parts[i + 2], body.length);
    pieces.push(line);
    if (block !== undefined) pieces.push(block);
    pieces.push(body, CRLF);
  }
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** The command line and the header block of a message. */
function head(
  encoder: TextEncoder,
  subject: string,
  reply: string,
  headers: string | undefined,
  bodyLength: number,
): [line: Uint8Array, block: Uint8Array | undefined] {
  const target = reply === "" ? subject : `${subject} ${reply}`;
  if (headers === undefined) {
    return [encoder.encode(`PUB ${target} ${bodyLength}\r\n`), undefined];
  }
  const block = encoder.encode(headers);
  const line = `HPUB ${target} ${block.length} ${block.length + bodyLength}\r\n`;
  return [encoder.encode(line), block];
}
