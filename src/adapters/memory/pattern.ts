// Patterns: subjects with wildcards, `*` for one token and a last `>` for one or more.

/** Whether a pattern has a wildcard. */
export function isWild(pattern: string): boolean {
  return /(?:^|\.)(?:\*(?:\.|$)|>$)/.test(pattern);
}

/** Whether a pattern fits a subject, both by their tokens. */
export function matches(pattern: readonly string[], subject: readonly string[]): boolean {
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] === ">") return subject.length > i;
    if (i >= subject.length || (pattern[i] !== "*" && pattern[i] !== subject[i])) return false;
  }
  return pattern.length === subject.length;
}

/** A pattern as a question to ask of many subjects. */
export function matcher(pattern: string): (subject: string) => boolean {
  if (!isWild(pattern)) return (subject) => subject === pattern;
  if (pattern === ">") return () => true;
  const rest = pattern.slice(0, -1);
  // The most frequent kind, `domain.>`, needs no tokens.
  if (pattern.endsWith(".>") && !isWild(rest.slice(0, -1))) {
    return (subject) => subject.startsWith(rest);
  }
  const tokens = pattern.split(".");
  return (subject) => matches(tokens, subject.split("."));
}

/** Whether there is a subject that both patterns fit. */
export function overlap(one: string, other: string): boolean {
  const [a, b] = [one.split("."), other.split(".")];
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a[i] === ">" || b[i] === ">") return true;
    if (a[i] !== "*" && b[i] !== "*" && a[i] !== b[i]) return false;
  }
  return a.length === b.length;
}
