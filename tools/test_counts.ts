// How many tests passed and failed, from a test runner's summary.

/** The tests of one run. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
}

/** The last summary in the output of `deno test`, `bun test` or `node --test`; nothing when there is none. */
export function countTests(output: string): TestCounts | undefined {
  // deno: "ok | 3 passed (2 steps) | 1 failed | 2 ignored (13ms)"
  const deno = [...output.matchAll(/^(?:ok|FAILED) \| (\d+) passed.*?\| (\d+) failed/gm)].at(-1);
  if (deno) return counts(deno[1], deno[2]);
  // node: "ℹ pass 4", "ℹ fail 1", "ℹ cancelled 0"; "#" instead of "ℹ" in TAP
  const node = (word: string) =>
    [...output.matchAll(new RegExp(`^[ℹ#] ${word} (\\d+)$`, "gm"))].at(-1)?.[1];
  if (node("pass") !== undefined) {
    const { passed, failed } = counts(node("pass"), node("fail"));
    return { passed, failed: failed + Number(node("cancelled") ?? 0) };
  }
  // bun: " 3 pass", " 1 fail"; a file that does not load is an " 1 error" and a " 1 fail"
  const bun = (word: string) =>
    [...output.matchAll(new RegExp(`^ *(\\d+) ${word}$`, "gm"))].at(-1)?.[1];
  return bun("pass") === undefined ? undefined : counts(bun("pass"), bun("fail"));
}

function counts(passed: string | undefined, failed: string | undefined): TestCounts {
  return { passed: Number(passed ?? 0), failed: Number(failed ?? 0) };
}
