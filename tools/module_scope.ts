// What code does while it is loaded: run where every timer, random number, look at the clock and way out is a trap.
//
// Workers allow none of it before the first request. And what is made of it would be made once: an identifier at module
// scope is the same in every isolate that was started from one snapshot.

import { createContext, runInContext } from "node:vm";

/** Something that code did while it was loaded. */
export interface ScopeUse {
  /** What it called, such as `Math.random`. */
  readonly what: string;
  /** The line of the source, from 1. */
  readonly line: number;
}

const FILE = "module-scope.js";

/** Globals that are functions or classes, each of which is a trap as a whole. */
const CALLS = [
  ...["setTimeout", "setInterval", "setImmediate", "requestAnimationFrame", "AbortController"],
  ...["fetch", "WebSocket", "EventSource", "XMLHttpRequest", "Worker", "BroadcastChannel"],
  ...["addEventListener", "importScripts", "require"],
];

/** Globals that are objects, and those of their members that are traps. */
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  crypto: ["getRandomValues", "randomUUID"],
  performance: ["now", "mark", "measure"],
  console: ["debug", "error", "info", "log", "warn"],
  AbortSignal: ["any", "timeout"],
  caches: ["open", "match"],
  indexedDB: ["open"],
  localStorage: ["getItem", "setItem"],
};

/** What JavaScript itself has, which lives in the realm of the code. */
const OF_THE_LANGUAGE = `
  Math.random = trap("Math.random");
  const { Date: Real } = globalThis;
  globalThis.Date = new Proxy(Real, {
    apply: () => trap("Date")(),
    construct: (target, given) =>
      given.length > 0 ? Reflect.construct(target, given) : trap("new Date")(),
    get: (target, key) => key === "now" ? trap("Date.now") : Reflect.get(target, key),
  });
`;

/** Loads `code`, a script, and tells what it did that has to wait for a request. */
export function moduleScopeUses(code: string): ScopeUse[] {
  const uses: ScopeUse[] = [];
  const trap = (what: string) =>
    function (this: unknown): never {
      const { stack = "" } = new Error();
      const line = new RegExp(`${FILE}:(\\d+)`).exec(stack)?.[1];
      uses.push({ what, line: Number(line ?? 0) });
      throw new Error(`${what} at module scope`);
    };
  const globals: Record<string, unknown> = { TextDecoder, TextEncoder, URL, URLSearchParams, trap };
  for (const name of CALLS) globals[name] = trap(name);
  for (const [name, members] of Object.entries(MEMBERS)) {
    globals[name] = Object.fromEntries(members.map((key) => [key, trap(`${name}.${key}`)]));
  }
  globals["self"] = globals;
  const context = createContext(globals);
  runInContext(OF_THE_LANGUAGE, context);
  try {
    runInContext(code, context, { filename: FILE });
  } catch (error) {
    // Loading ends at a trap. Whatever else ends it is no answer.
    if (uses.length === 0) throw error;
  }
  return uses;
}

/** The module that a line of a bundle belongs to, as esbuild notes above each. */
export function moduleAt(code: string, line: number): string {
  const before = code.split("\n", line).reverse();
  const note = before.find((text) => /^\s*\/\/ \S+\.\w+$/.test(text));
  return note?.trim().slice(3) ?? "the bundle";
}
