// What the client and the service of the side-by-side run agree on.

import * as v from "valibot";
import { rpc, type RpcHandler, type Service } from "../mod.ts";

/** What callers pass. */
export interface OrderParams {
  /** The order. */
  readonly orderId: string;
  /** What it costs. */
  readonly amount: number;
}

/** What they get. */
export interface OrderResult {
  /** The order. */
  orderId: string;
  /** What became of it. */
  status: "created";
}

type CreateOrder = RpcHandler<"create_order", OrderParams, OrderResult>;

/** The handler, validated on the way in and out. */
export const createOrder: CreateOrder = rpc("create_order", {
  params: v.object({ orderId: v.string(), amount: v.pipe(v.number(), v.minValue(0)) }),
  result: v.object({ orderId: v.string(), status: v.literal("created") }),
}, ({ orderId }) => ({ orderId, status: "created" as const }));

/** The type by which the client calls the service. */
export type OrderService = Service<readonly [CreateOrder]>;

/** The names on both ways. */
export const NAMES = {
  /** The SDK's service. */
  service: "order-service",
  /** The subject of the bare service. */
  bareSubject: "bare.order-service.create_order",
} as const;
