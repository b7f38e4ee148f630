// What the two sides of the run of events agree on: the event, the names, and the orders that a child carries out.

import * as v from "valibot";
import { event, type EventDefinition } from "../mod.ts";
import type { OrderParams } from "./contract.ts";
import type { Kind } from "./report.ts";

/** The event, validated where it is published and where it is handled. */
export const OrderCreated: EventDefinition<"order.created", OrderParams, OrderParams> = event(
  "order.created",
  { payload: v.object({ orderId: v.string(), amount: v.pipe(v.number(), v.minValue(0)) }) },
);

/** What every event costs; the sum shows that a consumer has read them all. */
export const AMOUNT = 9.5;

/** The stream of each: that of the SDK has its own name. */
export const STREAMS: Readonly<Record<Kind, string>> = { bare: "BARE", aegis: "EVENTS" };

/** The subject of the bare events, as long as that of the others. */
export const BARE_SUBJECT = "orders.order.created";

/** Publishes events, and resolves when all are stored. */
export interface PublishOrder {
  readonly do: "publish";
  /** How many. */
  readonly events: number;
  /** How many at a time; with 1 each is timed. */
  readonly inFlight: number;
  /** Whether by `publishMany()`, where there is one. */
  readonly many: boolean;
}

/** Consumes what is in the stream, from its first event on, and resolves when so many were handled. */
export interface ConsumeOrder {
  readonly do: "consume";
  /** How many. */
  readonly events: number;
  /** The name of the durable, which is made. */
  readonly durable: string;
  /** Whether bare nats.js iterates over the messages, and does not have them called back. */
  readonly iterate: boolean;
}

/** Ends the consuming, which goes on until then, so that the acknowledgements come through. */
export interface StopOrder {
  readonly do: "stop";
}

/** Any of them. */
export type EventOrder = PublishOrder | ConsumeOrder | StopOrder;

/** What a publisher measured. */
export interface Published {
  /** How long it took, in milliseconds. */
  readonly ms: number;
  /** The median time until an event was stored, in milliseconds, when they were published one at a time. */
  readonly p50Ms?: number;
  /** The 99th percentile of it. */
  readonly p99Ms?: number;
}
