// What writing and reading an envelope costs: `deno bench bench/envelope_bench.ts`.

import { createClock } from "../src/adapters/system/clock.ts";
import { createRandom } from "../src/adapters/system/random.ts";
import type { FreshFields } from "../src/domain/envelope.ts";
import {
  readRequest,
  readResponse,
  requestJson,
  requestValue,
  responseJson,
  type RpcRequest,
  type RpcResponse,
} from "../src/domain/message.ts";

const clock = createClock();
const random = createRandom();
const fresh: FreshFields = {
  uuid: () => random.uuid(),
  traceId: () => random.traceId(),
  timestamp: () => clock.timestamp(),
};

const params = { orderId: "order-1", amount: 9.5 };
const result = { orderId: "order-1", status: "created" };
const request: RpcRequest = {
  messageId: random.uuid(),
  traceId: random.traceId(),
  correlationId: null,
  timestamp: clock.timestamp(),
  source: "client",
  target: "order-service",
  method: "create_order",
  params,
  timeoutMs: 5_000,
};
const response: RpcResponse = {
  messageId: random.uuid(),
  traceId: request.traceId,
  correlationId: request.messageId,
  timestamp: clock.timestamp(),
  source: "order-service",
  target: "client",
  success: true,
  result,
  error: null,
};
const requestBody: unknown = JSON.parse(requestJson(request, JSON.stringify(params)));
const responseBody: unknown = JSON.parse(responseJson(response, JSON.stringify(result)));

Deno.bench("JSON.stringify() of the request's object", { group: "write a request" }, () => {
  JSON.stringify(requestValue(request));
});
Deno.bench("requestJson()", { group: "write a request", baseline: true }, () => {
  requestJson(request, JSON.stringify(params));
});
Deno.bench("requestJson() with fresh ids and time stamp", { group: "write a request" }, () => {
  requestJson({
    ...request,
    messageId: random.uuid(),
    traceId: random.traceId(),
    timestamp: clock.timestamp(),
  }, JSON.stringify(params));
});

Deno.bench("responseJson()", { group: "write a response" }, () => {
  responseJson(response, JSON.stringify(result));
});

Deno.bench("readRequest()", { group: "read" }, () => {
  readRequest(requestBody, fresh);
});
Deno.bench("readResponse()", { group: "read" }, () => {
  readResponse(responseBody, fresh);
});
