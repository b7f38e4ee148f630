// Ids of commands: any text, and what it is called as tokens of a subject and as a key of the records.

import { show } from "./check.ts";

/** The longest id, in bytes of UTF-8: at three characters a byte its token still leaves room in a subject. */
const MAX_ID = 128;

const DOT = 0x2e;
const ESCAPE = 0x3d;
const HEX = "0123456789ABCDEF";

/** By code: the characters that stand for themselves, `[A-Za-z0-9_-]`. */
const PLAIN: readonly boolean[] = Array.from(
  { length: 128 },
  (_, code) => /[A-Za-z0-9_-]/.test(String.fromCharCode(code)),
);

const encoder = new TextEncoder();
/** Fatal, so that bytes which are no UTF-8 are no id; the mark at the beginning is kept, since an id may have it. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Whether a value can be the id of a command: text of 1 to 128 bytes in UTF-8. */
export function isCommandId(id: unknown): id is string {
  if (typeof id !== "string" || id === "" || id.length > MAX_ID) return false;
  if (isPlain(id)) return true;
  return id.isWellFormed() && encoder.encode(id).length <= MAX_ID;
}

/** Checks the id of a command. @throws {TypeError} when it is none. */
export function assertCommandId(id: unknown): asserts id is string {
  if (isCommandId(id)) return;
  throw new TypeError(
    `Cannot use ${
      show(id)
    } as the id of a command: it must be text of 1 to ${MAX_ID} bytes in UTF-8, without half a surrogate pair`,
  );
}

/**
 * The id of a command as one or more tokens of a subject, and as a key of the records. Letters, digits, "_" and "-" stand
 * for themselves, and so does a dot where it makes no empty token; everything else, "=" too, is "=XX" for each byte of
 * its UTF-8. Different ids have different tokens. {@linkcode idOf} leads back.
 *
 * @throws {TypeError} for half a surrogate pair, which has no UTF-8: two ids would share a token.
 */
export function tokenOf(id: string): string {
  // Nearly every id is a UUID, which is its own token.
  if (isPlain(id)) return id;
  if (!id.isWellFormed()) assertCommandId(id);
  const bytes = encoder.encode(id);
  const last = bytes.length - 1;
  let token = "";
  for (let i = 0; i <= last; i++) {
    const byte = bytes[i]!;
    const stays = byte === DOT
      ? i > 0 && i < last && bytes[i - 1] !== DOT && bytes[i + 1] !== DOT
      : PLAIN[byte] === true;
    token += stays ? String.fromCharCode(byte) : `=${HEX[byte >> 4]}${HEX[byte & 0x0f]}`;
  }
  return token;
}

/** The id of a command by its token; undefined where {@linkcode tokenOf} gives no such token. */
export function idOf(token: string): string | undefined {
  if (token === "") return undefined;
  if (isPlain(token)) return token;
  const bytes = new Uint8Array(token.length);
  let length = 0;
  for (let i = 0; i < token.length; i++) {
    const code = token.charCodeAt(i);
    if (code !== ESCAPE) bytes[length++] = code;
    else {
      // What is no hexadecimal digit gives some byte, which does not lead back to this token.
      bytes[length++] = HEX.indexOf(token.charAt(i + 1)) << 4 | HEX.indexOf(token.charAt(i + 2));
      i += 2;
    }
  }
  let id: string;
  try {
    id = decoder.decode(bytes.subarray(0, length));
  } catch {
    // No UTF-8: nobody's id.
    return undefined;
  }
  // One id has one token: what is written in another way is none.
  return tokenOf(id) === token ? id : undefined;
}

/** Whether an id is its own token. */
function isPlain(id: string): boolean {
  for (let i = 0; i < id.length; i++) if (PLAIN[id.charCodeAt(i)] !== true) return false;
  return true;
}
