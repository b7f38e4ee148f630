// What a message suggests where a name is none: the one that was meant, or all that there are.

/** The end of a sentence about `word`, which is none of `names`. */
export function suggest(word: string, names: readonly string[]): string {
  const meant = nearest(word, names);
  if (meant !== undefined) return `did you mean "${meant}"?`;
  return `there ${names.length === 1 ? "is" : "are"} ${names.join(", ")}`;
}

/** The name that `word` is most like, if it is like any: at most a third of its letters differ. */
function nearest(word: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const name of names) {
    const changes = distance(word.toLowerCase(), name.toLowerCase());
    if (changes < least) [best, least] = [name, changes];
  }
  return best;
}

/** How many letters must be added, taken away, replaced or swapped with the next to make one word of the other. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      next[j] = Math.min(
        row[j]! + 1,
        next[j - 1]! + 1,
        row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1),
        swapped ? before[j - 2]! + 1 : Infinity,
      );
    }
    [before, row] = [row, next];
  }
  return row[b.length]!;
}
