// What tests of outages share: a way to the server that can be cut, and waiting with a limit.

import { connect as dial, createServer, type Server, type Socket } from "node:net";
import {
  type Bus,
  createLogger,
  createService,
  type Logger,
  rpc,
  type RpcHandler,
  type Service,
} from "../../mod.ts";
import { freePorts, type NatsServer } from "../../tools/nats_server.ts";

/** Says nothing. */
export const logger: Logger = createLogger({ level: "silent" });
/** How late an error may come after its deadline on a busy machine. */
export const SLACK_MS = 1_000;

/** Resolves after `ms`. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Resolves when `met`; rejects when it is not within `ms`. */
export async function until(
  what: string,
  met: () => boolean | Promise<boolean>,
  ms = 20_000,
): Promise<void> {
  for (const end = performance.now() + ms; performance.now() < end; await pause(5)) {
    if (await met()) return;
  }
  throw new Error(`not within ${ms} ms: ${what}`);
}

/** Fails where something would otherwise hang. */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** How a call ended, and after how long. */
export interface Outcome {
  readonly error: unknown;
  readonly ms: number;
}

/** Waits for a call and says how it ended. */
export async function outcome(call: Promise<unknown>): Promise<Outcome> {
  const start = performance.now();
  const error = await call.then(() => undefined, (reason) => reason ?? new Error("undefined"));
  return { error, ms: performance.now() - start };
}

/** A way to the server that can be cut for one side alone. */
export interface Way extends AsyncDisposable {
  readonly url: string;
  cut(): Promise<void>;
  mend(): Promise<void>;
}

/** How long it may take until a port is free, in milliseconds. Whoever looks for a free one holds it for a moment. */
const PORT_MS = 5_000;

/** Listens on a port of this machine, as soon as it is free. */
export async function listening(port: number, onSocket: (socket: Socket) => void): Promise<Server> {
  for (const until = performance.now() + PORT_MS;;) {
    const listener = createServer(onSocket);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    listener.once("error", reject).listen(port, "127.0.0.1", resolve);
    try {
      await promise;
      return listener;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || performance.now() > until) {
        throw error;
      }
      await pause(20);
    }
  }
}

/** A way to a server, through a port of its own. */
export async function wayTo(server: NatsServer): Promise<Way> {
  const [port] = await freePorts(1);
  const open = new Set<Socket>();
  let listener: Server | undefined;
  const keep = (socket: Socket): void => {
    open.add(socket);
    socket.on("error", () => {}).on("close", () => open.delete(socket));
  };
  const mend = async (): Promise<void> => {
    listener = await listening(port!, (near) => {
      const far = dial({ port: server.port, host: "127.0.0.1" });
      keep(near);
      keep(far);
      near.on("close", () => far.destroy());
      far.on("close", () => near.destroy());
      near.pipe(far).pipe(near);
    });
  };
  const cut = async (): Promise<void> => {
    const closed = new Promise((resolve) => listener?.close(resolve) ?? resolve(undefined));
    listener = undefined;
    for (const socket of open) socket.destroy();
    await closed;
  };
  await mend();
  return { url: `nats://127.0.0.1:${port}`, cut, mend, [Symbol.asyncDispose]: cut };
}

/** A way to a port that becomes a slow one. */
export interface SlowWay extends AsyncDisposable {
  readonly port: number;
  /** Cuts what is there; on what is opened from then on each piece takes `ms`. */
  slow(ms: number): void;
}

/** A way to a port of this machine, through a port of its own. */
export async function slowWayTo(port: number): Promise<SlowWay> {
  const [own = 0] = await freePorts(1);
  const open = new Set<Socket>();
  let delayMs = 0;
  const carry = (from: Socket, to: Socket): void => {
    open.add(from);
    const ms = delayMs;
    from.on("data", (data) => void setTimeout(() => to.write(data), ms));
    from.on("error", () => {}).on("close", () => {
      open.delete(from);
      to.destroy();
    });
  };
  const cut = (): void => open.forEach((socket) => socket.destroy());
  const listener = await listening(own, (near) => {
    const far = dial({ port, host: "127.0.0.1" });
    carry(near, far);
    carry(far, near);
  });
  return {
    port: own,
    slow(ms) {
      delayMs = ms;
      cut();
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => listener.close(resolve));
      cut();
      await closed;
    },
  };
}

/** Says what happens at a gate, and lets it happen. */
export function gate(): {
  readonly arrived: Promise<void>;
  arrive(): void;
  open(): void;
  opened: Promise<void>;
} {
  const at = Promise.withResolvers<void>();
  const through = Promise.withResolvers<void>();
  return {
    arrived: at.promise,
    arrive: () => at.resolve(),
    open: () => through.resolve(),
    opened: through.promise,
  };
}

/** Gives back its parameters. */
export const echo: RpcHandler = rpc("echo", (params) => params);

/** A started service "outage" with `echo` and `handlers`. */
export async function serve(bus: Bus, ...handlers: readonly RpcHandler[]): Promise<Service> {
  const service = createService("outage", { bus, handlers: [echo, ...handlers] });
  await service.start();
  return service as Service;
}
