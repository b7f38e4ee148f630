// One batch of fast ingest, in the words of the server.

import type { Message, Messaging } from "../../ports/messaging.ts";
import type { ApiError } from "./pub_ack.ts";

/** A message of a burst. */
export interface IngestMessage {
  readonly subject: string;
  readonly body: string | Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** What becomes of a batch; `window` is how many messages may be under way. */
export interface IngestBatchOptions {
  /** It has begun, and takes more messages. */
  readonly onBegun: (window: number) => void;
  /** The first `count` messages are stored. */
  readonly onStored: (count: number, window: number) => void;
  /**
   * It is over, and its first `count` messages are stored: since it was committed, something went wrong, or the first one
   * had been stored before.
   */
  readonly onCommitted: (count: number, duplicate: boolean, error: ApiError | undefined) => void;
  /** It was refused. */
  readonly onError: (error: ApiError) => void;
}

/** What a server says of a batch. */
interface Answer {
  readonly type?: "ack" | "gap" | "err";
  readonly seq?: number;
  readonly msgs?: number;
  readonly batch?: string;
  readonly count?: number;
  readonly duplicate?: boolean;
  readonly error?: ApiError;
}

/** After how many messages the server is to say that they are stored; it says so after fewer when it has many batches. */
const FLOW = 500;
/** How many of its words may be under way. */
const FLOWS = 6;
const OPERATION = { start: 0, append: 1, commit: 3 } as const;

/** One batch. */
export class IngestBatch {
  readonly #messaging: Messaging;
  readonly #options: IngestBatchOptions;
  readonly #prefix: string;
  readonly #subjects = new Set<string>();
  readonly #decoder = new TextDecoder();
  #subject = "";
  #size = 0;
  #stored = 0;
  #begun = false;
  #committing = false;
  #over = false;
  #error: ApiError | undefined;

  /** Makes the batch of a number, whose answers come to subjects under `inbox`. */
  constructor(messaging: Messaging, inbox: string, number: number, options: IngestBatchOptions) {
    this.#messaging = messaging;
    this.#options = options;
    // The server knows a batch by the token before the flow.
    const id = `${inbox.split(".").slice(1).join("_").slice(-48)}-${number}`;
    this.#prefix = `${inbox}.${id}.${FLOW}.fail.`;
  }

  /** How many messages it has. */
  get size(): number {
    return this.#size;
  }

  /** Whether a message may be added. */
  get isOpen(): boolean {
    return this.#begun && !this.#committing;
  }

  /** Whether it has a message on a subject. */
  isFor(subject: string): boolean {
    return this.#subjects.has(subject);
  }

  /** Adds a message. @throws what {@linkcode Messaging.publish} throws. */
  add({ subject, body, headers }: IngestMessage): void {
    if (subject !== this.#subject) {
      this.#subject = subject;
      this.#subjects.add(subject);
    }
    const operation = this.#size === 0 ? OPERATION.start : OPERATION.append;
    this.#messaging.publish(
      subject,
      body,
      `${this.#prefix}${this.#size + 1}.${operation}.$FI`,
      headers,
    );
    this.#size++;
  }

  /** Has the server store what it has, and say so. Nothing can be added any more. */
  commit(): void {
    if (!this.isOpen) return;
    this.#committing = true;
    try {
      this.#messaging.publish(
        this.#subject,
        "",
        `${this.#prefix}${this.#size + 1}.${OPERATION.commit}.$FI`,
      );
    } catch {
      // The bus went away, which ends the burst.
    }
  }

  /** Takes what the server says. */
  receive(message: Message): void {
    // One before may still be spoken of, and of one that is over the server says that it does not know it.
    if (this.#over || !message.subject.startsWith(this.#prefix)) return;
    const answer = this.#read(message);
    const { type, seq = 0, msgs = FLOW, batch, count = 0, duplicate = false, error } = answer;
    if (batch !== undefined) {
      this.#over = true;
      this.#options.onCommitted(count, duplicate, this.#error);
    } else if (type === "err") this.#error ??= error;
    else if (error !== undefined) this.#options.onError(error);
    else if (type === "ack") {
      if (!this.#begun) {
        this.#begun = true;
        this.#options.onBegun(msgs * FLOWS);
      }
      if (seq > this.#stored) {
        this.#stored = seq;
        this.#options.onStored(seq, msgs * FLOWS);
      }
    }
  }

  #read(message: Message): Answer {
    try {
      const text = this.#decoder.decode(message.data);
      // Without a word it says that nobody listens.
      return text === "" ? NOBODY : JSON.parse(text) as Answer;
    } catch {
      return { error: { code: 500, err_code: 0, description: "an answer that is no JSON" } };
    }
  }
}

const NOBODY: Answer = {
  error: { code: 404, err_code: 10059, description: "stream not found" },
};
