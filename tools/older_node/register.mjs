// Lets Node 20, which strips no types, and Node 22, which knows no `await using`, run the test files against the built
// package: `node --import` this file.

import { register } from "node:module";
import { pathToFileURL } from "node:url";

register("./hooks.mjs", import.meta.url);

// Tests may use what came with Node 22 and 24; the hooks give it these names, so that the package does not get it too.
globalThis.withResolversOfTests = () => {
  let resolve, reject;
  const promise = new Promise((fulfil, refuse) => {
    resolve = fulfil;
    reject = refuse;
  });
  return { promise, resolve, reject };
};

globalThis.programOfTests = pathToFileURL(process.argv[1] ?? "").href;

globalThis.AsyncDisposableStackOfTests = class {
  #disposers = [];

  defer(dispose) {
    this.#disposers.push(dispose);
  }

  use(value) {
    this.defer(() => value?.[Symbol.asyncDispose]());
    return value;
  }

  async [Symbol.asyncDispose]() {
    while (this.#disposers.length > 0) await this.#disposers.pop()();
  }
};
