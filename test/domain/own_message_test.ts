// Messages as this SDK writes them: read without a full parse, however many parties there are.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  readRequest,
  readResponse,
  requestJson,
  responseJson,
  type RpcRequest,
  type RpcResponse,
} from "../../src/domain/message.ts";
import { OwnRequests, OwnResults } from "../../src/domain/own_message.ts";

const ID = "01234567-89ab-4cde-8f01-23456789abcd";
const fresh = { uuid: () => ID, traceId: () => ID, timestamp: () => "2026-01-01T00:00:00.000Z" };
const common = {
  messageId: ID,
  traceId: ID,
  correlationId: null,
  timestamp: "2026-01-01T00:00:00.000Z",
};

function answerOf(source: string, n: number): string {
  const result = { n, text: `,"success":true,"result":` };
  const response: RpcResponse = {
    ...common,
    correlationId: ID,
    source,
    target: "gateway",
    success: true,
    result,
    error: null,
  };
  return responseJson(response, JSON.stringify(result));
}

function requestOf(source: string, n: number): [string, RpcRequest] {
  const params = { n, text: `,"params":` };
  const request = { ...common, source, target: "shop", method: "echo", params, timeoutMs: 1_500 };
  return [requestJson(request, JSON.stringify(params)), request];
}

const HOSTILE = ['","target":"x', ',"params":', ',"success":true,"result":', "\u2028", "ü", ""];

test("answers of many services in turn are each parsed in full once", () => {
  const own = new OwnResults();
  const names = [...Array.from({ length: 100 }, (_, n) => `service-${n}`), ...HOSTILE];
  let parsed = 0;
  for (let round = 0; round < 5; round++) {
    for (const name of names) {
      const text = answerOf(name, round);
      const quick = own.read(text, ID);
      const { result, source, target } = readResponse(JSON.parse(text), fresh);
      if (quick === undefined) {
        parsed++;
        own.learn(text, source, target);
      } else deepStrictEqual(quick.result, result);
    }
  }
  strictEqual(parsed, names.length);
});

test("requests of many clients in turn are each parsed in full once", () => {
  const own = new OwnRequests("echo");
  const names = [...Array.from({ length: 100 }, (_, n) => `client-${n}`), ...HOSTILE];
  let parsed = 0;
  for (let round = 0; round < 5; round++) {
    for (const name of names) {
      const [text, request] = requestOf(name, round);
      const quick = own.read(text);
      if (quick === undefined) {
        parsed++;
        own.learn(text, readRequest(JSON.parse(text), fresh));
      } else deepStrictEqual(quick, request);
    }
  }
  strictEqual(parsed, names.length);
});

test("parties without end are forgotten, and learnt again", () => {
  const own = new OwnRequests("echo");
  for (let n = 0; n < 10_000; n++) {
    const [text, request] = requestOf(`client-${n}`, n);
    own.learn(text, request);
    deepStrictEqual(own.read(text), request);
  }
  // The first are still known, and of the others the last.
  strictEqual(own.read(requestOf("client-100", 1)[0]), undefined);
  for (const name of ["client-0", "client-9999"]) {
    const [text, request] = requestOf(name, 1);
    deepStrictEqual(own.read(text), request);
  }
});
