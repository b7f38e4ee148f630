// A worker that keeps a bus between requests, as no worker may. The first request connects; each other one, by its path,
// uses what the first one has left.

import {
  type Bus,
  type Client,
  type CommandHandle,
  connect,
  createClient,
  createDiscovery,
  createLogger,
  createService,
  type Discovery,
  ensureTopology,
  event,
  type Kv,
  on,
  rpc,
  type Service,
} from "../../edge.ts";

const logger = createLogger({ level: "silent" });

interface Kept {
  readonly bus: Bus;
  readonly client: Client;
  readonly discovery: Discovery;
  readonly kv: Kv<number>;
  readonly job: CommandHandle;
  readonly service: Service;
  /** Loops that have begun, and wait for what comes next. */
  readonly loops: Readonly<Record<"progress" | "kv" | "discovery", AsyncIterator<unknown>>>;
}

async function open(servers: string): Promise<Kept> {
  const bus = await connect({ servers, logger });
  const client = createClient({ bus });
  const discovery = createDiscovery({ bus });
  const kv = await bus.kv<number>("kept");
  await kv.put("a", 1);
  await discovery.discover("keeper");
  const job = await client.send("keeper", "step");
  const loops = {
    progress: job.progress(),
    kv: kv.watch({ key: "a" }),
    discovery: discovery.watch("keeper"),
  };
  for (const loop of Object.values(loops)) await loop.next();
  const service = createService("kept", { bus, handlers: [rpc("a", () => 1)] });
  await service.start();
  return { bus, client, discovery, kv, job, service, loops };
}

function late(bus: Bus): Service {
  return createService("late", { bus, handlers: [rpc("a", () => 1), on("a.b", () => {})] });
}

async function first<T>(all: AsyncIterable<T>): Promise<T | undefined> {
  for await (const one of all) return one;
  return undefined;
}

/** What nothing would come of, in another request than that which has connected. */
export const USES: Readonly<Record<string, (kept: Kept) => unknown>> = {
  call: ({ client }) => client.call("keeper", "echo"),
  publish: ({ client }) => client.publish("kept.used", {}),
  publishMany: ({ client }) => client.publishMany([event("kept.used")({})]),
  send: ({ client }) => client.send("keeper", "step"),
  command: ({ client, job }) => client.command(job.id),
  "job.result": ({ job }) => job.result({ timeoutMs: 10 }),
  "job.progress": ({ job }) => first(job.progress()),
  "job.status": ({ job }) => job.status(),
  "job.cancel": ({ job }) => job.cancel(),
  deadLetters: ({ client }) => client.listDeadLetters(),
  "bus.kv": ({ bus }) => bus.kv("kept"),
  "kv.get": ({ kv }) => kv.get("a"),
  "kv.put": ({ kv }) => kv.put("a", 2),
  "kv.keys": ({ kv }) => kv.keys(),
  "kv.watch": ({ kv }) => first(kv.watch()),
  "progress.next": ({ loops }) => loops.progress.next(),
  "progress.return": ({ loops }) => loops.progress.return!(),
  "kv.watch.next": ({ loops }) => loops.kv.next(),
  "kv.watch.return": ({ loops }) => loops.kv.return!(),
  "watch.next": ({ loops }) => loops.discovery.next(),
  "watch.return": ({ loops }) => loops.discovery.return!(),
  discover: ({ discovery }) => discovery.discover("keeper"),
  select: ({ discovery }) => discovery.select("keeper"),
  watch: ({ discovery }) => first(discovery.watch("keeper")),
  "kv.exists": ({ kv }) => kv.exists("a"),
  "kv.delete": ({ kv }) => kv.delete("a"),
  "kv.purge": ({ kv }) => kv.purge("a"),
  "kv.getMany": ({ kv }) => kv.getMany(["a"]),
  "kv.putMany": ({ kv }) => kv.putMany({ a: 2 }),
  "kv.deleteMany": ({ kv }) => kv.deleteMany(["a"]),
  "kv.history": ({ kv }) => kv.history("a"),
  "kv.clear": ({ kv }) => kv.clear(),
  "kv.status": ({ kv }) => kv.status(),
  "deadLetters.replay": ({ client }) => client.replayDeadLetters(),
  "deadLetters.discard": ({ client }) => client.discardDeadLetters(),
  "ensureTopology": ({ bus }) => ensureTopology({ bus, services: [late(bus)] }),
  "discovery.invalidate": ({ discovery }) => discovery.invalidate("keeper"),
  "service.stop": ({ service }) => service.stop({ graceMs: 0 }),
  "discovery.close": ({ discovery }) => discovery.close(),
  service: ({ bus }) => late(bus).start(),
  close: ({ bus }) => bus.close(),
};

/** Connecting while modules are loaded, which workers may not do, be it to a broker of their own. */
const early = Promise.all(
  ["ws://127.0.0.1:9", "memory:"].map((servers) => connect({ servers, logger }).catch(String)),
);
let kept: Kept | undefined;

async function answer(path: string, servers: string): Promise<unknown> {
  if (path === "early") return await early;
  if (kept === undefined) {
    kept = await open(servers);
    return Object.keys(USES);
  }
  if (path === "health") return await kept.bus.health();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise((resolve) => timer = setTimeout(resolve, 5_000, "nothing came of it"));
  try {
    return await Promise.race([late, USES[path]!(kept)]);
  } catch (error) {
    return String(error);
  } finally {
    clearTimeout(timer);
  }
}

const worker: {
  fetch(request: Request, env: { readonly NATS: string }): Promise<Response>;
} = {
  async fetch(request, { NATS }) {
    return Response.json(await answer(new URL(request.url).pathname.slice(1), NATS) ?? null);
  },
};
export default worker;
