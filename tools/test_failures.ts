// Which tests failed and why, in a line each, from a test runner's output.

/** An escape sequence that colours what follows. */
// deno-lint-ignore no-control-regex
const COLOUR = /\x1b\[[\d;]*m/g;
/** Where the text of an error ends, and its stack, its fields or another test begin. */
const END = /^ +at |^ *generatedMessage: |^ failureType: |^\((?:pass|fail|skip)\) |^test at /;
const MOST_LINES = 10;
const MOST_CHARACTERS = 300;

/** "name => place: error" of each test that failed, as `deno test`, `bun test` or `node --test` have printed it. */
export function testFailures(output: string): string[] {
  const lines = output.replace(COLOUR, "").split("\n");
  const found = new Map<string, string>();
  /** The text of the error that begins at a line. */
  const textAt = (begin: number): string => {
    const some = lines.slice(begin, begin + MOST_LINES);
    const end = some.findIndex((line, index) => index > 0 && END.test(line));
    return some.slice(0, end < 0 ? undefined : end).map((line) => line.trim()).join(" ");
  };
  let file = "";
  let errorAt: number | undefined;
  for (const [index, line] of lines.entries()) {
    // deno: "name => ./file.ts:1:2" or "file (uncaught error)", and the error; at the end the names alone
    const isDeno = / => \.\/\S+:\d+:\d+$| \(uncaught error\)$/.test(line);
    if (isDeno && lines[index + 1]?.startsWith("error: ")) found.set(line, textAt(index + 1));
    // node: "test at file.ts:1:2", "✖ name (1ms)", and the error
    const place = /^test at (\S+)$/.exec(line)?.[1];
    if (place !== undefined) found.set(`${lines[index + 1]} => ${place}`, textAt(index + 2));
    // bun: "file.ts:", and for each of its tests the error and "(fail) name [1ms]"; at the end the names alone
    file = /^(\S+_test\.ts):$/.exec(line)?.[1] ?? file;
    if (line === "# Unhandled error between tests") errorAt = undefined;
    if (/^(?:\w*Error|error): /.test(line)) errorAt ??= index;
    const bun = /^\((pass|fail|skip)\) (.+?)(?: \[[\d.]+m?s\])?$/.exec(line);
    const isOver = /^-{20,}$/.test(line) && errorAt !== undefined;
    if ((bun?.[1] === "fail" || isOver) && errorAt !== undefined) {
      found.set(`${bun?.[2] ?? "between tests"} => ${file}`, textAt(errorAt));
    }
    if (bun || isOver) errorAt = undefined;
  }
  return [...found].map(([test, text]) => `${test}: ${text}`.slice(0, MOST_CHARACTERS));
}
