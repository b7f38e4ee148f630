// Source text without what is no code, and the globals that code uses.

/** A global that is used, and where. */
export interface GlobalUse {
  /** Such as `setTimeout` or `Date`. */
  readonly name: string;
  /** The line, from 1. */
  readonly line: number;
}

/** Time, randomness and output: what a manual clock or a captured log could not take the place of. */
const BARE = [
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "console",
  "performance",
  "crypto",
];
const USES: readonly RegExp[] = [
  // The name by itself or of globalThis; not a member of something else, nor a key.
  new RegExp(`(?:(?<![\\w$.#])|\\bglobalThis\\??\\.)(${BARE.join("|")})\\b(?!\\s*\\??:)`, "g"),
  /(?<![\w$.#])(Date)\s*[.(]/g,
  /\bnew\s+(?:globalThis\.)?(Date)\b(?!\s*[.(])/g,
  /\b(Math\s*\.\s*random|AbortSignal\s*\.\s*timeout)\b/g,
  /(?<![\w$.#])(Temporal)\s*\.\s*Now\b/g,
];

/** The uses of time, timers, randomness and console in `text`; comments, strings and types named Date are none. */
export function globalsIn(text: string): GlobalUse[] {
  const code = codeOnly(text);
  const uses: GlobalUse[] = [];
  for (const use of USES) {
    for (const match of code.matchAll(use)) {
      const line = code.slice(0, match.index).split("\n").length;
      uses.push({ name: (match[1] ?? "").replace(/\s/g, ""), line });
    }
  }
  return uses.sort((a, b) => a.line - b.line);
}

const BEFORE_REGEXP =
  /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|void|await|yield))\s*$/;

/** `text` with comments, strings and regular expressions blanked; what `${}` holds stays. Lines keep their numbers. */
export function codeOnly(text: string): string {
  let out = "";
  let at = 0;
  const templates: number[] = []; // the depth of braces in each `${` that is open
  const blank = (end: number) => {
    out += text.slice(at, end).replace(/[^\n]/g, " ");
    at = end;
  };
  const template = () => {
    while (at < text.length) {
      if (text.startsWith("${", at)) {
        blank(at + 2);
        templates.push(0);
        return;
      }
      const closing = text[at] === "`";
      blank(at + (text[at] === "\\" ? 2 : 1));
      if (closing) return;
    }
  };
  while (at < text.length) {
    const char = text[at] ?? "";
    const rest = text.slice(at, at + 2);
    const open = templates.length - 1;
    if (rest === "//") blank(indexOr(text, "\n", at));
    else if (rest === "/*") blank(indexOr(text, "*/", at + 2) + 2);
    else if (char === '"' || char === "'") blank(endOf(text, at, char));
    else if (char === "/" && BEFORE_REGEXP.test(out.slice(-12))) blank(endOf(text, at, "/"));
    else if (char === "`") {
      blank(at + 1);
      template();
    } else if (char === "}" && templates[open] === 0) {
      templates.pop();
      blank(at + 1);
      template();
    } else {
      if (open >= 0 && char === "{") templates[open]! += 1;
      if (open >= 0 && char === "}") templates[open]! -= 1;
      out += char;
      at++;
    }
  }
  return out;
}

function indexOr(text: string, search: string, from: number): number {
  const index = text.indexOf(search, from);
  return index < 0 ? text.length : index;
}

/** Where the string or regular expression that begins at `start` is over. */
function endOf(text: string, start: number, quote: string): number {
  let inClass = false;
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at];
    if (char === "\\") at++;
    else if (char === "\n") return at;
    else if (quote === "/" && char === "[") inClass = true;
    else if (quote === "/" && char === "]") inClass = false;
    else if (char === quote && !inClass) return at + 1;
  }
  return text.length;
}
