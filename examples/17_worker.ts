// A worker of Cloudflare's: it connects in each request, and the connection ends with the request.
// deno task worker    runs it on this machine; docs/edge.md says how it is deployed

import { AegisError, connect, createClient, type RequestContext } from "@aegis/sdk/edge";
import type { Cafe, Cup } from "./browser/cafe.ts";

export { Visits } from "./18_durable_object.ts";

interface Env {
  readonly NATS: string; // such as "wss://nats.example.com"
  readonly VISITS: { getByName(name: string): { fetch(request: Request): Promise<Response> } };
}

/** `GET /price?drink=mocha`, `POST /orders?drink=mocha`, `GET /orders/{id}`, `GET /board`, `GET /visits` */
export default {
  async fetch(request: Request, env: Env, ctx: RequestContext): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const [, place, id = ""] = pathname.split("/");
    const drink = searchParams.get("drink") ?? "espresso";
    if (place === "visits") return await env.VISITS.getByName("main").fetch(request);
    try {
      // Closed at the end of the block; ctx.waitUntil() waits for that, and the response does not.
      await using bus = await connect({ servers: env.NATS, perRequest: ctx });
      const client = createClient({ bus });
      const cafe = client.service<Cafe>("cafe");
      switch (`${request.method} /${place}`) {
        case "GET /price":
          return Response.json(await cafe.call("price", { drink }));
        case "POST /orders": {
          const job = await cafe.send("brew", { drink, guest: "the worker" });
          await client.publish("cafe.ordered", { id: job.id, drink });
          return Response.json({ id: job.id }, { status: 202 });
        }
        case "GET /orders": // in another request, and perhaps on another machine
          return Response.json(await (await client.command(id)).result({ timeoutMs: 20_000 }));
        case "GET /board": {
          const board = await bus.kv<Cup>("board");
          const cups = await board.getMany(await board.keys());
          return Response.json([...cups].map(([guest, cup]) => ({ guest, ...cup.value })));
        }
      }
      return new Response("Not found", { status: 404 });
    } catch (error) {
      if (!AegisError.is(error)) throw error;
      const status = { SERVICE_UNAVAILABLE: 503, CLOSED: 503, TIMEOUT: 504 }[error.code] ?? 400;
      return Response.json({ code: error.code, message: error.message }, { status });
    }
  },
};
