// Stands for @nats-io/transport-deno, which JSR alone has: nats-core on Deno's own sockets. What that does of its own, this
// does too: errors in lower case, no word of why a server hung up on TLS, and an end that waits for what is to be written.

import * as internal from "@nats-io/nats-core/internal";
import type {
  ConnectionOptions,
  NatsConnection,
  ServerInfo,
  Transport,
} from "@nats-io/nats-core/internal";
import { deferred } from "../../src/domain/deferred.ts";

/** What is used of a copy of nats-core. */
export type Core = Pick<
  typeof internal,
  "NatsConnectionImpl" | "checkOptions" | "errors" | "setTransportFactory"
>;

/** The address of a server. */
interface Address {
  readonly hostname: string;
  readonly port: number;
  readonly tlsName: string;
}

class DenoSocket implements Transport {
  readonly lang = "nats.deno";
  readonly version = "0.0.0";
  readonly discard = (): void => {};
  closeError?: Error;
  isClosed = false;
  readonly #core: Core;
  readonly #ended = deferred<Error | void>();
  #socket!: Deno.TcpConn | Deno.TlsConn;
  #isEncrypted = false;
  #greeting = new Uint8Array();
  #written: Promise<unknown> = Promise.resolve();

  constructor(core: Core) {
    this.#core = core;
  }

  async connect({ hostname, port, tlsName }: Address, options: ConnectionOptions): Promise<void> {
    const { tls } = options;
    const caCerts = tls?.caFile === undefined ? [] : [await Deno.readTextFile(tls.caFile)];
    const isFirst = tls?.handshakeFirst === true;
    try {
      this.#socket = isFirst
        ? await Deno.connectTls({ hostname, port, caCerts })
        : await Deno.connect({ hostname, port });
      const info = await this.#greet();
      this.#core.checkOptions(info, options);
      const isWanted = info.tls_required || info.tls_available && tls !== null;
      if (!isFirst && isWanted) {
        const named = { hostname: tlsName || hostname, caCerts };
        this.#socket = await Deno.startTls(this.#socket as Deno.TcpConn, named);
        await this.#socket.write(new Uint8Array());
      }
      this.#isEncrypted = isFirst || isWanted === true;
    } catch (error) {
      this.#hangUp();
      const { message } = error as Error;
      throw new this.#core.errors.ConnectionError(message.toLowerCase(), { cause: error });
    }
  }

  /** Reads what the server says first, which is also the first that nats-core has to hear. */
  async #greet(): Promise<ServerInfo> {
    let text = "";
    for (const bytes = new Uint8Array(65_536); !text.includes("\r\n");) {
      const size = await this.#socket.read(bytes);
      if (size === null) throw new Error("Socket closed while expecting INFO");
      this.#greeting = new Uint8Array([...this.#greeting, ...bytes.subarray(0, size)]);
      text = new TextDecoder().decode(this.#greeting);
    }
    const [, info] = /^INFO\s+([^\r\n]+)/.exec(text) ?? [];
    if (info === undefined) throw new Error("Unexpected response from server");
    return JSON.parse(info);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    yield this.#greeting;
    let error: Error | undefined;
    try {
      while (!this.isClosed) {
        const bytes = new Uint8Array(65_536);
        const size = await this.#socket.read(bytes);
        if (size === null) break;
        yield bytes.subarray(0, size);
      }
    } catch (reason) {
      error = reason as Error;
    }
    await this.#end(error, true);
  }

  isEncrypted(): boolean {
    return this.#isEncrypted;
  }

  send(frame: Uint8Array): void {
    if (this.isClosed) return;
    this.#written = this.#written.then(() => this.#write(frame)).catch(() => {}); // reading tells that it is broken
  }

  async #write(frame: Uint8Array): Promise<void> {
    for (let at = 0; at < frame.length;) at += await this.#socket.write(frame.subarray(at));
  }

  async #end(error: Error | undefined, isOver: boolean): Promise<void> {
    if (this.isClosed) return this.#hangUp();
    this.isClosed = true;
    if (error !== undefined) this.closeError = error;
    if (error === undefined && isOver) await this.#written;
    this.#hangUp();
    if (isOver) this.#ended.resolve(error);
  }

  #hangUp(): void {
    try {
      this.#socket?.close();
    } catch {
      // so it is closed already
    }
  }

  close(error?: Error): Promise<void> {
    return this.#end(error, false);
  }

  disconnect(): void {
    void this.#end(undefined, true);
  }

  closed(): Promise<Error | void> {
    return this.#ended.promise;
  }
}

/** Makes the `connect()` of the package on a copy of nats-core. */
export function denoSockets(core: Core): (options: ConnectionOptions) => Promise<NatsConnection> {
  return (options) => {
    core.setTransportFactory({
      factory: () => new DenoSocket(core),
      // Whoever has a name looked up here needs to be permitted the name server too, and otherwise fails.
      dnsResolveFn: (name) => Deno.resolveDns(name, "A"),
    });
    return core.NatsConnectionImpl.connect(options);
  };
}

/** Connects. */
export const connect: (options: ConnectionOptions) => Promise<NatsConnection> = denoSockets(
  internal,
);
