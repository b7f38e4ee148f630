// Lets Node 20, which strips no types, and Node 22, which knows no `await using`, run the test files against the built
// package: `node --import` this file.

import { register } from "node:module";

register("./hooks.mjs", import.meta.url);

// Tests may use what came with Node 22; the hooks give it this name, so that the package does not get it too.
globalThis.withResolversOfTests = () => {
  let resolve, reject;
  const promise = new Promise((fulfil, refuse) => {
    resolve = fulfil;
    reject = refuse;
  });
  return { promise, resolve, reject };
};
