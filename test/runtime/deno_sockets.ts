// Stands for @nats-io/transport-deno, which JSR alone has: nats-core on Deno's own sockets, without TLS.

import {
  type ConnectionOptions,
  type NatsConnection,
  NatsConnectionImpl,
  setTransportFactory,
  type Transport,
} from "@nats-io/nats-core/internal";

class DenoSocket implements Transport {
  readonly lang = "nats.deno";
  readonly version = "0.0.0";
  readonly discard = (): void => {};
  readonly isEncrypted = (): boolean => false;
  closeError?: Error;
  #socket: Deno.TcpConn | undefined;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #isClosed = false;
  #end = (_error?: Error): void => {};
  readonly #ended = new Promise<Error | void>((resolve) => this.#end = resolve);

  get isClosed(): boolean {
    return this.#isClosed;
  }

  async connect({ hostname, port }: { hostname: string; port: number }): Promise<void> {
    this.#socket = await Deno.connect({ hostname, port });
    this.#writer = this.#socket.writable.getWriter();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    let error: Error | undefined;
    try {
      yield* this.#socket!.readable;
    } catch (reason) {
      error = reason as Error;
    }
    await this.close(error);
    this.#end(error);
  }

  send(frame: Uint8Array): void {
    this.#writer?.write(frame).catch(() => {}); // reading tells that the connection is broken
  }

  async close(error?: Error): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (error !== undefined) this.closeError = error;
    await this.#writer?.close().catch(() => {}); // the other side has closed before
    try {
      this.#socket?.close();
    } catch {
      // so it is closed already
    }
  }

  disconnect(): void {
    void this.close();
  }

  closed(): Promise<Error | void> {
    return this.#ended;
  }
}

/** Connects. Whoever has a name looked up here needs to be permitted the name server too, and otherwise fails. */
export function connect(options: ConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({
    factory: () => new DenoSocket(),
    dnsResolveFn: (name) => Deno.resolveDns(name, "A"),
  });
  return NatsConnectionImpl.connect(options);
}
