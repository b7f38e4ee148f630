// What names and subjects cost; calls pay for them once a method: `deno bench bench/subject_bench.ts`.

import {
  assertInstanceId,
  assertMethodName,
  assertServiceName,
  rpcCancelSubject,
  rpcInstanceSubject,
  rpcSubject,
} from "../src/domain/subject.ts";

const SERVICE = "order-service";
const METHOD = "create_order";
const INSTANCE = "order-service-4f1c2a";

Deno.bench("rpcSubject()", { group: "build" }, () => {
  rpcSubject(SERVICE, METHOD);
});
Deno.bench("rpcInstanceSubject()", { group: "build" }, () => {
  rpcInstanceSubject(SERVICE, METHOD, INSTANCE);
});
Deno.bench("rpcCancelSubject()", { group: "build" }, () => {
  rpcCancelSubject(SERVICE);
});

Deno.bench("assertServiceName()", { group: "check" }, () => {
  assertServiceName(SERVICE);
});
Deno.bench("assertMethodName()", { group: "check" }, () => {
  assertMethodName(METHOD);
});
Deno.bench("assertInstanceId()", { group: "check" }, () => {
  assertInstanceId(INSTANCE);
});
Deno.bench("a name that is refused", { group: "check" }, () => {
  try {
    assertServiceName("order service");
  } catch {
    // What is measured is the refusal.
  }
});
