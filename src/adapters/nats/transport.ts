// The NATS transport: a connection, what becomes of it, and what the server is.

import type { NatsConnection } from "@nats-io/nats-core";
import type { Logger } from "../../ports/logger.ts";
import type { BusStatus, ServerInfo, Transport, TransportKind } from "../../ports/transport.ts";
import { translateNatsError } from "./error.ts";
import { createNatsMessaging } from "./messaging.ts";
import { settledWithin } from "./settled.ts";
import { createNatsStreams } from "./streams.ts";
import { Troubles } from "./troubles.ts";
import { assertSameRequest } from "./websocket.ts";

/** How long closing may take: a server that stands still must not keep the process. */
const CLOSE_MS = 5_000;

/** What of a connection's insides is used where there is nothing public for it. */
interface Internals {
  readonly protocol?: {
    /** Tells at once, and not a tick later, that the server has gone. */
    readonly connected?: boolean;
    readonly options?: { readonly reconnect?: boolean };
    /** Makes one attempt to reach a server. */
    dial?(server: unknown): Promise<void>;
    readonly transport?: Carrier;
  };
}

/** What carries a connection: a socket of node:net or a WebSocket, or Deno's, which has none that is known. */
interface Carrier {
  readonly socket?: { destroy?(): void; readyState?: number };
  /** Whether it was told to close. */
  readonly isClosed?: boolean;
  close?(): Promise<void>;
}

/**
 * A transport over `connection`; `owned` says whether closing the one closes the other, `logger` is where that goes which
 * listeners throw, and what is wrong with the connection, and `jetstreamDomain` is that of streams, if there is one.
 */
export function createNatsTransport(
  connection: NatsConnection,
  kind: TransportKind,
  owned = true,
  logger: Pick<Logger, "error" | "warn"> = console,
  jetstreamDomain: string | undefined = undefined,
): Transport {
  const troubles = new Troubles(logger, () => connection.getServer());
  const listeners = new Set<(status: BusStatus) => void>();
  const protocol = (connection as unknown as Internals).protocol;
  // That of one request is not made again, nor one of nats.js that was told not to be.
  const broken = protocol?.options?.reconnect === false ? "closed" : "reconnecting";
  let status: BusStatus = connection.isClosed()
    ? "closed"
    : protocol?.connected === false
    ? broken
    : "connected";
  let closing: Promise<void> | undefined;
  let server = describe(connection);

  const assertHere = kind === "ws"
    ? () => assertSameRequest(protocol?.transport?.socket)
    : () => {};
  const isThere = (): boolean =>
    status === "connected" && protocol?.connected !== false && !connection.isClosed();
  const statusNow = (): BusStatus => status === "connected" && !isThere() ? broken : status;
  // Whoever wants to send asks for it.
  const isConnected = (): boolean => {
    assertHere();
    return isThere();
  };

  const failed = (what: string, error: unknown): void => {
    try {
      logger.error(`${what} threw an error`, { error });
    } catch {
      // The logger throws too, and there is nobody left to tell.
    }
  };

  const change = (next: BusStatus): void => {
    if (status === next || status === "closed") return;
    status = next;
    // First of all: whoever hears of it next may publish.
    if (next === "connected") streams.returned();
    else streams.ended(next === "closed" ? "closed" : "broken");
    for (const listener of [...listeners]) {
      try {
        listener(next);
      } catch (error) {
        failed(`What listens to the status "${next}"`, error);
      }
    }
  };

  const refusals = new Set<(subject: string, error: Error) => void>();
  const refused = (error: Error & { operation?: string; subject?: string }): void => {
    const { name, operation, subject } = error;
    if (name !== "PermissionViolationError" || operation !== "publish" || !subject) return;
    const translated = translateNatsError(error, `publish to ${subject}`);
    for (const listener of refusals) {
      try {
        listener(subject, translated);
      } catch (thrown) {
        failed("What listens to refusals", thrown);
      }
    }
  };

  const link = {
    assertHere,
    isConnected,
    isClosed: () => statusNow() === "closed",
    refusals,
    failed,
  };
  const messaging = createNatsMessaging(connection, link);
  const streams = createNatsStreams(connection, messaging, link, jetstreamDomain);

  const events = connection.status();
  const watch = async (): Promise<void> => {
    for await (const event of events) {
      if (event.type === "disconnect") {
        if (broken === "closed" && closing === undefined) troubles.notMadeAgain();
        change(broken);
      } else if (event.type === "error") {
        troubles.serverSaid(event.error);
        refused(event.error);
      } else if (event.type === "slowConsumer") {
        troubles.slow(event.sub.getSubject(), event.pending);
      } else if (event.type === "staleConnection") giveUp(protocol?.transport);
      else if (event.type === "reconnect") {
        server = describe(connection);
        troubles.over();
        change("connected");
      }
    }
  };
  void watch();
  if (owned && protocol !== undefined) tellOfAttempts(protocol, troubles);
  void connection.closed().then(() => change("closed"));

  const close = async (): Promise<void> => {
    // While the server is away there is nobody to drain to. A drain that fails has met a connection that is gone.
    if (isConnected()) {
      await settledWithin(CLOSE_MS, owned ? connection.drain() : connection.flush());
    }
    if (owned && !connection.isClosed()) await connection.close();
    change("closed");
    (events as { stop?(): void }).stop?.();
  };

  return {
    kind,
    get status() {
      return statusNow();
    },
    get server() {
      return server;
    },
    get lastError() {
      return troubles.last;
    },
    messaging,
    streams,
    onStatus(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async ping() {
      assertHere();
      try {
        const started = performance.now();
        await connection.flush();
        return performance.now() - started;
      } catch (error) {
        throw translateNatsError(error, "ping");
      }
    },
    async close() {
      assertHere();
      await (closing ??= close());
    },
  };
}

/** nats.js would first wait for what is still to be written, which a server that stands still never reads. */
function giveUp(carrier: Carrier | undefined): void {
  carrier?.socket?.destroy?.();
  // Deno's closes its socket at once when it is told so again, and a write that waits then fails.
  if (carrier?.socket === undefined && carrier?.isClosed) void carrier.close?.();
}

/** Notes why an attempt to reconnect failed, which nats.js keeps to itself. */
function tellOfAttempts(
  protocol: NonNullable<Internals["protocol"]>,
  troubles: Troubles,
): void {
  const { dial } = protocol;
  if (typeof dial !== "function") return;
  protocol.dial = async (server) => {
    try {
      await dial.call(protocol, server);
    } catch (error) {
      troubles.notReached(error);
      throw error;
    }
  };
}

function describe(connection: NatsConnection): ServerInfo {
  const info = connection.info;
  return Object.freeze({
    name: info?.server_name ?? "",
    version: info?.version ?? "",
    address: connection.getServer(),
    jetstream: info?.jetstream === true,
    clustered: info?.cluster !== undefined,
    maxPayload: info?.max_payload ?? 0,
  });
}
