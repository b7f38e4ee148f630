// Core messaging: one contract, held by the embedded broker and by a NATS server, with and without the fast writer.

import { after, test } from "node:test";
import { connect, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { MemoryBroker } from "../../src/adapters/memory/broker.ts";
import { createMemoryTransport } from "../../src/adapters/memory/transport.ts";
import { createNatsTransport } from "../../src/adapters/nats/transport.ts";
import type { Transport } from "../../src/ports/transport.ts";
import { messagingContract } from "../../src/testing/messaging_contract.ts";
import { startNatsServer } from "../../tools/nats_server.ts";

const server = await startNatsServer({ jetstream: false });
after(() => server.stop());

/** An object of which nothing but what its type declares can be seen, as if another library had made it. */
function only<T extends object>(target: T, hidden: readonly string[]): T {
  return new Proxy(target, {
    get(object, key) {
      if (hidden.includes(String(key))) return undefined;
      const value: unknown = Reflect.get(object, key, object);
      return typeof value === "function" ? value.bind(object) : value;
    },
    has: (object, key) => !hidden.includes(String(key)) && Reflect.has(object, key),
  });
}

/** A connection whose insides, and those of its messages, are hidden. */
function publicOnly(connection: NatsConnection): NatsConnection {
  const shown = only(connection, ["protocol"]);
  const subscribe: NatsConnection["subscribe"] = (subject, options = {}) => {
    const { callback } = options;
    return connection.subscribe(subject, {
      ...options,
      ...(callback === undefined ? {} : {
        callback: (error, message: Msg) => callback(error, only(message, ["_rdata", "_msg"])),
      }),
    });
  };
  return new Proxy(shown, {
    get: (object, key) => key === "subscribe" ? subscribe : Reflect.get(object, key),
  });
}

const broker = new MemoryBroker();
const logger = { error() {}, warn() {} };
const adapters: Record<string, () => Promise<Transport>> = {
  "memory": () => Promise.resolve(createMemoryTransport(broker, logger)),
  "NATS": async () =>
    createNatsTransport(await connect({ servers: server.url }), "tcp", true, logger),
  "NATS by its public API": async () =>
    createNatsTransport(
      publicOnly(await connect({ servers: server.url })),
      "tcp",
      true,
      logger,
    ),
};

for (const [adapter, open] of Object.entries(adapters)) {
  for (const { name, run } of messagingContract) test(`${adapter}: ${name}`, () => run(open));
}
