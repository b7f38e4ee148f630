// Subjects: every name on the wire, and what a name may be.

import { show } from "./check.ts";

const NAME = /^[a-zA-Z][a-zA-Z0-9_-]*$/;
const TOKEN = /^[a-zA-Z0-9_-]+$/;
const RESERVED = ["progress", "callback", "cancel"];

/** The subject on which every instance of a service that has the method is asked, in queue group {@linkcode rpcQueue}. */
export function rpcSubject(service: string, method: string): string {
  return `rpc.${service}.${method}`;
}

/** The subject on which one instance alone is asked. */
export function rpcInstanceSubject(service: string, method: string, instance: string): string {
  return `rpc.${service}.${method}.${instance}`;
}

/** The queue group that shares the calls of a service among its instances. */
export function rpcQueue(service: string): string {
  return `rpc.${service}`;
}

/** The subject on which every instance of a service hears of calls that their callers took back. */
export function rpcCancelSubject(service: string): string {
  return `internal.rpc.cancel.${service}`;
}

/**
 * The subject on which every instance of a service hears which answers a caller asks for again, because its connection
 * broke while it waited for them. A line of the body is one call: its id, a space, its reply subject. An instance that
 * remembers the answer sends it to that subject once more; others, and those that do not know this, do nothing.
 */
export function rpcAgainSubject(service: string): string {
  return `internal.rpc.again.${service}`;
}

/** Checks the name of a service. @throws {TypeError} when it is none. */
export function assertServiceName(name: unknown): asserts name is string {
  if (typeof name !== "string" || !NAME.test(name)) {
    throw new TypeError(
      `Cannot use ${
        show(name)
      } as the name of a service: it must begin with a letter and hold letters, digits, "_" and "-" alone`,
    );
  }
  if (RESERVED.includes(name)) {
    throw new TypeError(`Cannot use "${name}" as the name of a service: the protocol reserves it`);
  }
}

/** Checks the name of a method. @throws {TypeError} when it is none. */
export function assertMethodName(name: unknown): asserts name is string {
  if (typeof name !== "string" || !NAME.test(name)) {
    throw new TypeError(
      `Cannot use ${
        show(name)
      } as the name of a method: it must begin with a letter and hold letters, digits, "_" and "-" alone`,
    );
  }
}

/** Checks the id of an instance. @throws {TypeError} when it is none. */
export function assertInstanceId(id: unknown): asserts id is string {
  if (typeof id !== "string" || !TOKEN.test(id)) {
    throw new TypeError(
      `Cannot use ${
        show(id)
      } as the id of an instance: it must hold letters, digits, "_" and "-" alone`,
    );
  }
}
