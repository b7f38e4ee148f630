// A service in a Durable Object of Cloudflare's: it answers over NATS while nobody asks Cloudflare; an alarm keeps it awake.
// 17_worker.ts is the worker that it belongs to; docs/edge.md says how both are deployed.

import { connect, createService, rpc, type Service } from "@aegis/sdk/edge";

interface Env {
  readonly NATS: string;
  readonly AWAKE_MS?: number;
}

interface Storage {
  get<T>(key: string): Promise<T | undefined>;
  put(key: string, value: unknown): Promise<void>;
  setAlarm(time: number): Promise<void>;
}

export class Visits {
  #service: Promise<Service> | undefined;
  readonly #storage: Storage;
  readonly #env: Env;

  constructor(state: { readonly storage: Storage }, env: Env) {
    this.#storage = state.storage;
    this.#env = env;
  }

  /** The first request starts the service, and sets the first alarm. */
  async fetch(_request: Request): Promise<Response> {
    return await this.#wake().then(
      ({ instanceId }) => Response.json({ instanceId }),
      (error) => Response.json({ message: String(error) }, { status: 503 }), // the next alarm tries again
    );
  }

  /** After a deployment, and when its machine has gone, the object is made anew and this is called. */
  async alarm(): Promise<void> {
    await this.#wake().catch((error) => console.error(String(error)));
  }

  async #wake(): Promise<Service> {
    // What nothing reaches for two minutes is put away. The alarm is set first: what fails now is tried again then.
    await this.#storage.setAlarm(Date.now() + (this.#env.AWAKE_MS ?? 30_000));
    this.#service ??= this.#start();
    this.#service.catch(() => this.#service = undefined);
    return await this.#service;
  }

  async #start(): Promise<Service> {
    const bus = await connect({ servers: this.#env.NATS });
    // One after the other, so that no two read the same number.
    const visit = rpc("visit", { concurrency: 1 }, async (_, ctx) => {
      const visits = (await this.#storage.get<number>("visits") ?? 0) + 1;
      await this.#storage.put("visits", visits);
      return { visits, by: ctx.instanceId };
    });
    const service = createService("visits", { bus, handlers: [visit] });
    await service.start().finally(() => service.status === "started" || bus.close());
    return service;
  }
}
