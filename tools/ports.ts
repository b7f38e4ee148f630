// Free ports of this machine.

import { createServer } from "node:net";

const TRIES = 10;

/**
 * Ports of 127.0.0.1 that are free now. They lie below the range from which systems take the ports of outgoing
 * connections: there a client that tries to reconnect to a stopped server could take its port, or reach itself.
 */
export async function freePorts(count: number): Promise<number[]> {
  const held = new Map<number, () => Promise<void>>();
  while (held.size < count) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const release = held.has(port) ? undefined : await hold(port);
    if (release) held.set(port, release);
  }
  await Promise.all([...held.values()].map((release) => release()));
  return [...held.keys()];
}

function hold(port: number): Promise<(() => Promise<void>) | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      resolve(() => new Promise((closed) => server.close(() => closed())));
    });
  });
}

/** Somebody else has the port. */
export class PortTakenError extends Error {}

/** Calls `begin` with free ports, and again with others when somebody took one in between. */
export async function onFreePorts<T>(
  fixed: number | undefined,
  count: number,
  begin: (ports: number[]) => Promise<T>,
): Promise<T> {
  for (let tries = 1;; tries++) {
    try {
      return await begin(fixed === undefined ? await freePorts(count) : [fixed]);
    } catch (error) {
      if (!(error instanceof PortTakenError) || fixed !== undefined || tries === TRIES) {
        throw error;
      }
    }
  }
}
