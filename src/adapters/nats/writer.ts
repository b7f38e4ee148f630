// The writer: the messages of one tick as one piece of text, encoded once and sent at once.

import type { NatsConnection } from "@nats-io/nats-core";

/** Writes messages in the protocol of the server. */
export interface Writer {
  /** Adds a message. Text must be ASCII. */
  write(
    subject: string,
    reply: string,
    headers: string | Uint8Array | undefined,
    body: string | Uint8Array,
  ): void;
  /** Hands over what was added. */
  flush(): void;
}

/** What of a connection's insides the writer needs: the same that `connection.publish()` ends in. */
interface Internals {
  readonly protocol?: {
    readonly sendCommand?: (command: Uint8Array, ...payloads: Uint8Array[]) => void;
  };
}

/** Beyond this many characters a batch goes out before the end of the tick. */
const MAX_BATCH = 32 * 1024;
const CRLF = new Uint8Array([13, 10]);

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

  const flush = (): void => {
    if (batch === "") return;
    const text = batch;
    batch = "";
    protocol.sendCommand!(encoder.encode(text));
  };

  return {
    write(subject, reply, headers, body) {
      if (batch === "") queueMicrotask(flush);
      const target = reply === "" ? subject : `${subject} ${reply}`;
      if (headers === undefined) batch += `PUB ${target} ${body.length}\r\n`;
      else batch += `HPUB ${target} ${headers.length} ${headers.length + body.length}\r\n`;
      if ((headers === undefined || typeof headers === "string") && typeof body === "string") {
        batch += headers === undefined ? `${body}\r\n` : `${headers}${body}\r\n`;
      } else {
        // Bytes cannot join the text: what came before goes first, then the bytes as they are.
        const line = batch;
        batch = "";
        protocol.sendCommand!(
          encoder.encode(line),
          ...[headers, body].flatMap((part) =>
            part === undefined ? [] : [typeof part === "string" ? encoder.encode(part) : part]
          ),
          CRLF,
        );
      }
      if (batch.length > MAX_BATCH) flush();
    },
    flush,
  };
}
