// TCP by node:net, on Deno, Bun and Node: the transport of nats.js, with what it leaves behind put right.

import { createConnection, type Socket } from "node:net";
import { connect as connectTls, type SecureContextOptions, type TLSSocket } from "node:tls";
import {
  type ConnectionOptions,
  type NatsConnection,
  NatsConnectionImpl,
  ProtocolHandler,
  setTransportFactory,
} from "@nats-io/transport-node";
import { nodeResolveHost, NodeTransport } from "@nats-io/transport-node/lib/node_transport.js";
import { deferred } from "../../domain/deferred.ts";

/** The constructor, which the declarations of nats-core call private. */
type Constructor = new (options: ConnectionOptions) => NatsConnectionImpl;

/** Where a transport finds its connection's state: by the options object, which nats-core hands to each of them. */
const dials = new WeakMap<object, { readonly protocol: ProtocolHandler; aborted?: unknown }>();

/**
 * Connects by TCP, and by TLS over it. A `Dial` of `connectNats()`.
 *
 * @param signal ends the attempt, and closes its socket
 */
export async function dialTcp(
  options: ConnectionOptions,
  signal: AbortSignal,
): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new TcpTransport(), dnsResolveFn: nodeResolveHost });
  // What NatsConnectionImpl.connect() does, which keeps to itself what a failed attempt has to be ended with.
  const connection = new (NatsConnectionImpl as unknown as Constructor)(options);
  const protocol = new ProtocolHandler(connection.options, connection);
  const dial: { readonly protocol: ProtocolHandler; aborted?: unknown } = { protocol };
  dials.set(connection.options, dial);
  const abort = () => {
    dial.aborted = signal.reason;
    protocol.connectError?.(signal.reason);
  };
  signal.addEventListener("abort", abort);
  try {
    await protocol.dialLoop();
  } finally {
    signal.removeEventListener("abort", abort);
  }
  connection.protocol = protocol;
  return connection as NatsConnection;
}

type Address = Parameters<NodeTransport["connect"]>[0];

class TcpTransport extends NodeTransport {
  /** Of several errors of the sockets, the first tells why; those that follow from it would hide it. */
  #reason: Error | undefined;
  #address!: Address;
  #wantsCertificate = false;

  override async connect(address: Address, options: ConnectionOptions): Promise<void> {
    const dial = dials.get(options);
    if (dial?.aborted !== undefined) throw dial.aborted;
    this.#address = address;
    // A server that closes before its first PONG, as after a client certificate that it does not like, would be
    // waited for until the time is over, and its reason lost.
    void this.closed().then((error) => {
      if (dial?.protocol.transport !== this) return;
      dial.protocol.connectError?.(dial.protocol.lastError ?? this.#why(error));
    });
    await super.connect(address, options);
  }

  /** As in nats.js, but the socket can be closed from the beginning. */
  override dial(address: Address): Promise<Socket> {
    const socket = createConnection(address.port, address.hostname);
    this.socket = socket;
    socket.setNoDelay(true);
    return this.#opened(socket, "connect");
  }

  /** As in nats.js, where a server that hangs up without a word gives no reason. */
  override async peekInfo(): ReturnType<NodeTransport["peekInfo"]> {
    try {
      const info = await super.peekInfo();
      this.#wantsCertificate = (info as { tls_verify?: boolean }).tls_verify === true;
      return info;
    } catch (error) {
      throw error ?? this.#why();
    }
  }

  /** TLS at once, over a socket that is known, so that it can be closed. */
  override async tlsFirst(address: Address): Promise<TLSSocket> {
    await this.dial(address);
    return await this.startTLS();
  }

  /**
   * As in nats.js, but a server known by its IP address is held against that and not against "localhost", and the
   * socket is not left without a listener at the moment when the server refuses the client's certificate.
   */
  override async startTLS(): Promise<TLSSocket> {
    const { tls } = this.options;
    const files = tls ? await this.loadClientCerts() as SecureContextOptions : {};
    const socket = connectTls({
      socket: this.socket,
      host: this.#address.hostname,
      servername: this.tlsName,
      ...files,
    });
    await this.#opened(socket, "secureConnect");
    return socket;
  }

  override setupHandlers(): void {
    const { socket } = this;
    super.setupHandlers();
    socket.on("error", (error) => this.#reason ??= error);
    // nats.js takes all listeners off a socket that it destroys. What Deno has to say of it later would end the program.
    void this.closed().then(() => socket.on("error", () => {}));
  }

  override async close(error?: Error): Promise<void> {
    // nats.js leaves the socket of an attempt that failed open.
    if (this.connected) await super.close(error);
    else this.discard();
  }

  override discard(): void {
    super.discard();
    this.socket?.on("error", () => {}); // as in setupHandlers()
  }

  async #opened<S extends Socket>(socket: S, event: string): Promise<S> {
    const { promise, resolve, reject } = deferred<S>();
    const opened = () => resolve(socket);
    const closed = () => reject(this.#why());
    socket.on("error", (error) => this.#reason ??= error);
    socket.once(event, opened).once("close", closed);
    try {
      return await promise;
    } finally {
      socket.off(event, opened).off("close", closed);
    }
  }

  #why(error?: Error | void): Error {
    const reason = this.#reason ?? (error || new Error("the server hung up"));
    // With TLS 1.3 it is after the handshake that a server refuses a client's certificate, or the want of one; what it
    // says of it is often overtaken by its hanging up.
    return this.#wantsCertificate && !/alert/i.test(reason.message)
      ? new CertificateRefused(reason)
      : reason;
  }
}

/** The server wants a client certificate, and hung up on ours or the want of one. */
class CertificateRefused extends Error {
  readonly code = "CLIENT_CERTIFICATE";

  constructor(cause: Error) {
    super("the server hung up after the TLS handshake", { cause });
  }
}
