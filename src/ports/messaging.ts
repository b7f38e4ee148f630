// Core messaging: subjects, queue groups, replies and headers; at most once, nothing stored.

/** A message as the transport delivers it. Its members may be computed when they are read. */
export interface Message {
  /** The subject that it was sent to. */
  readonly subject: string;
  /** Where an answer goes; empty or undefined where none is wanted. */
  readonly reply?: string | undefined;
  /** The body. It may be a view into a larger buffer: copy what is kept. */
  readonly data: Uint8Array;
  /** The body as text, where it is ASCII alone and the transport has it at hand, which saves decoding `data`. */
  readonly ascii?: string | undefined;
}

/** How to subscribe. */
export interface SubscribeOptions {
  /** The queue group: of its members one gets each message. */
  readonly queue?: string;
  /** Called in turn for each message; nothing else is read while it runs. What it throws is logged, and that is all. */
  readonly onMessage: (message: Message) => void;
  /** Called when the server refuses or ends the subscription, for want of permission for one. */
  readonly onError?: (error: Error) => void;
}

/** A subscription that stands. */
export interface Subscription {
  /**
   * Ends it without loss: asks the server for no more, then resolves when everything that had already been routed
   * here was handed to `onMessage`. While the server is away it ends at once.
   *
   * @param withinMs how long the server may take, in milliseconds: what it hands over later is lost
   */
  drain(withinMs?: number): Promise<void>;
}

/** Publish and subscribe. */
export interface Messaging {
  /**
   * Whether the server is there now. While it is not, `publish` throws.
   *
   * @throws {TypeError} in another request than that of the connection, where requests cannot share one, as in edge workers.
   */
  readonly connected: boolean;
  /** A subject prefix of this connection's own, without the last dot, under which answers can be received. */
  readonly inbox: string;
  /** The largest message, body and headers together, in bytes. */
  readonly maxPayload: number;
  /**
   * Sends a message. Messages of one tick go out together, in the order of their publishing.
   *
   * @throws {TypeError} for a subject that is none, or longer than a server takes.
   * @throws {UnavailableError} when the server is away: nothing was sent.
   * @throws {ClosedError} after the transport was closed.
   * @throws {SerializationError} with code `PAYLOAD_TOO_LARGE` over {@linkcode maxPayload}.
   */
  publish(
    subject: string,
    body: string | Uint8Array,
    reply?: string,
    headers?: Readonly<Record<string, string>>,
  ): void;
  /**
   * Calls `listener` with each subject that the server did not let this user publish to; where the server does not say
   * so, never. It says so a moment after `publish`, and not which message it was.
   */
  onRefused?(listener: (subject: string, error: Error) => void): void;
  /** Hands what was published to the network now, rather than at the end of the tick. */
  push?(): void;
  /** Subscribes; the subscription lasts over reconnects. Await `flush()` to know that it stands on the server. */
  subscribe(subject: string, options: SubscribeOptions): Subscription;
  /** Resolves when the server has taken everything that was published and subscribed before. */
  flush(): Promise<void>;
  /** A header of a message, by its exact name. */
  header(message: Message, name: string): string | undefined;
  /** Whether the message is the server's word that nobody listens on the subject of a request. */
  isNoResponders(message: Message): boolean;
}
