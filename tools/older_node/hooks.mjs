// The source is taken from dist/npm, as the package has it; tests and tools are compiled as they are loaded.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";

const ROOT = new URL("../../", import.meta.url).href;
const BUILT = `${ROOT}dist/npm/dist/`;
const SOURCE = /^(src\/.+|mod|edge|deno|testing|msgpack)\.ts$/;

/** The built file of one of the package's sources. */
export async function resolve(specifier, context, next) {
  const resolved = await next(specifier, context);
  const path = resolved.url.startsWith(ROOT) ? resolved.url.slice(ROOT.length) : "";
  return SOURCE.test(path)
    ? { ...resolved, url: BUILT + path.replace(/ts$/, "js"), format: "module" }
    : resolved;
}

/** The JavaScript of a test or a tool. */
export async function load(url, context, next) {
  if (!url.endsWith(".ts")) return await next(url, context);
  const text = await readFile(fileURLToPath(url), "utf8");
  const { code } = await transform(text, {
    loader: "ts",
    format: "esm",
    target: "node20",
    sourcemap: "inline",
    sourcefile: url,
    define: {
      "Promise.withResolvers": "withResolversOfTests",
      AsyncDisposableStack: "AsyncDisposableStackOfTests",
      "import.meta.main": "isMainOfTests",
    },
  });
  const isMain = "const isMainOfTests = import.meta.url === programOfTests;";
  return { format: "module", source: `${isMain}${code}`, shortCircuit: true };
}
