// Which tests failed and why, in a line each, from a test runner's output.

/** An escape sequence that colours what follows. */
// deno-lint-ignore no-control-regex
const COLOUR = /\x1b\[[\d;]*m/g;
const MOST_CHARACTERS = 300;

/** "name: error" of each test that failed, as `deno test`, `bun test` or `node --test` have printed it. */
export function testFailures(output: string): string[] {
  const lines = output.replace(COLOUR, "").split("\n");
  const found = new Map<string, string>();
  let error = "";
  for (const [index, line] of lines.entries()) {
    // deno: "name => ./file.ts:1:2", then "error: …"; the same lines without an error follow
    const deno = /^(.+?) => \.\/\S+:\d+:\d+$/.exec(line)?.[1];
    const next = lines.slice(index + 1).find((one) => one.trim() !== "")?.trim() ?? "";
    if (deno !== undefined && next.startsWith("error: ")) found.set(deno, next);
    // node: "test at file.ts:1:2", "✖ name (1ms)", then the error
    const node = /^✖ (.+?) \([\d.]+ms\)$/.exec(line)?.[1];
    if (node !== undefined && /^test at /.test(lines[index - 1] ?? "")) found.set(node, next);
    // bun: "AssertionError: …" or "error: …" above "(fail) name [1ms]"; at the end the names alone
    const bun = /^\((pass|fail|skip)\) (.+?)(?: \[[\d.]+m?s\])?$/.exec(line);
    if (bun?.[1] === "fail" && !found.has(bun[2]!)) found.set(bun[2]!, error);
    if (bun) error = "";
    if (/^(?:\w*Error|error): /.test(line)) error = line;
  }
  return [...found].map(([name, why]) => `${name}: ${why}`.slice(0, MOST_CHARACTERS));
}
