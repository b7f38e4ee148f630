// The café: a service to which pages and workers speak. `serve.ts` starts it, and any number of others may run beside it.

import {
  type Bus,
  command,
  type CommandHandler,
  createService,
  rpc,
  RpcError,
  type RpcHandler,
  type Service,
} from "@aegis/sdk";
import * as v from "valibot";

/** A cup on the board, which every page watches: the bucket "board" has one for each guest. */
export interface Cup {
  readonly drink: string;
  readonly state: "brewing" | "ready";
}

/** What clients import, the type alone. */
export type Cafe = Service<
  readonly [
    RpcHandler<"price", { drink: string }, { drink: string; cents: number; from: string }>,
    CommandHandler<"brew", { drink: string; guest: string }, { cup: string }>,
  ]
>;

const PRICES: Readonly<Record<string, number>> = { espresso: 220, cappuccino: 340, mocha: 410 };
const STEPS = ["grinding the beans", "heating the water", "pouring", "adding the foam"];
/** How long a cup stays on the board. */
const READY_MS = 60_000;

/** The service. `stepMs` is how long each step of a brew takes. */
export async function createCafe(bus: Bus, stepMs = 500): Promise<Cafe> {
  const board = await bus.kv<Cup>("board");

  const price = rpc("price", {
    params: v.object({ drink: v.string() }),
  }, ({ drink }, ctx) => {
    const cents = PRICES[drink];
    if (cents === undefined) throw new RpcError("NOT_ON_THE_MENU", `There is no ${drink} here`);
    return { drink, cents, from: ctx.instanceId };
  });

  const brew = command("brew", {
    payload: v.object({ drink: v.string(), guest: v.pipe(v.string(), v.nonEmpty()) }),
    concurrency: 8,
  }, async ({ payload: { drink, guest } }, ctx) => {
    await board.put(guest, { drink, state: "brewing" });
    try {
      for (const [index, step] of STEPS.entries()) {
        await ctx.progress(index * 100 / STEPS.length, step);
        await pause(stepMs, ctx.signal);
      }
    } catch (error) {
      await board.delete(guest); // the order was taken back, or comes again
      throw error;
    }
    await ctx.progress(100, "served");
    await board.put(guest, { drink, state: "ready" }, { ttlMs: READY_MS });
    return { cup: `${drink} for ${guest}` };
  });

  return createService("cafe", { bus, handlers: [price, brew] });
}

/** Waits, unless the command is taken back meanwhile. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}
