// What tests of rolling restarts share: instances with a connection each, and calls that never pause.

import { type Bus, connect, createClient, createService, rpc, type Service } from "../../mod.ts";
import { logger, pause } from "./outage_tools.ts";

/** An instance with a connection of its own, as a process of its own has. */
export interface Instance extends AsyncDisposable {
  readonly bus: Bus;
  readonly service: Service;
  /** How many calls it handed back. */
  handedBack(): number;
  stop(): Promise<void>;
}

/** A started instance of the service "rolling"; `handlerMs` is how long its handler takes. */
export async function startInstance(
  url: string,
  handlerMs: () => number,
  concurrency: number = Infinity,
): Promise<Instance> {
  const bus: Bus = await connect({ servers: url, logger });
  const work = rpc("work", { concurrency }, async (params, ctx) => {
    const { n } = params as { n: number };
    const ms = handlerMs();
    if (ms > 0) await pause(ms);
    return { n, by: ctx.instanceId };
  });
  const service = createService("rolling", { bus, handlers: [work] });
  await service.start();
  const stop = async (): Promise<void> => {
    await service.stop();
    await bus.close();
  };
  const handedBack = (): number => {
    const text = bus.metrics.prometheus();
    return Number(/server_calls_total\{.*"SERVICE_UNAVAILABLE".*\} (\d+)/.exec(text)?.[1] ?? 0);
  };
  return { bus, service, handedBack, stop, [Symbol.asyncDispose]: stop };
}

/** Calls that are made until their end. */
export interface Load extends AsyncDisposable {
  /** How many calls have succeeded, by instance. */
  readonly by: Map<string, number>;
  readonly failures: string[];
  end(): Promise<void>;
}

/** Calls without a pause from a client at each of `urls`, each with `width` calls in flight. */
export async function load(urls: readonly string[], width: number): Promise<Load> {
  const by = new Map<string, number>();
  const failures: string[] = [];
  let running = true;
  const buses = await Promise.all(
    urls.map((servers) => connect({ servers, logger })),
  );
  const loops = buses.flatMap((bus) =>
    Array.from({ length: width }, async () => {
      const client = createClient({ bus });
      for (let n = 0; running; n++) {
        try {
          const result = await client.call("rolling", "work", { n }) as { n: number; by: string };
          if (result.n !== n) failures.push(`call ${n} got the answer of ${result.n}`);
          by.set(result.by, (by.get(result.by) ?? 0) + 1);
        } catch (error) {
          failures.push(`${error}`);
          await pause(5);
        }
      }
    })
  );
  const end = async (): Promise<void> => {
    running = false;
    await Promise.all(loops);
    await Promise.all(buses.map((bus) => bus.close()));
  };
  return { by, failures, end, [Symbol.asyncDispose]: end };
}
