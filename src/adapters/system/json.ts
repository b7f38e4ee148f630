// JSON, the default encoding.

import { SerializationError } from "../../domain/error.ts";
import { assertWritten } from "../../domain/written.ts";
import type { Codec } from "../../ports/codec.ts";
import { faultOfJson, faultOfUtf8, faultOfValue } from "./json_fault.ts";

/** How much of bytes that are refused an error shows. */
const SHOWN = 40;

/**
 * A string, which is left alone, or one of the tokens that Python's `json` writes for floats that JSON does not know.
 * A string that was never closed is left alone as well, so that the second parse refuses it.
 */
const STRING_OR_TOKEN = /"(?:[^"\\]+|\\.)*"?|-?\bInfinity\b|\bNaN\b/gs;

class JsonCodec implements Codec {
  readonly name = "json";
  #decoder: TextDecoder | undefined;

  accepts(firstByte: number): boolean {
    // The two ranges are MessagePack's maps, arrays and typed values. Neither can begin JSON text.
    return !(firstByte >= 0x80 && firstByte <= 0x9f || firstByte >= 0xc0 && firstByte <= 0xdf);
  }

  encode(value: unknown): string {
    let text: string | undefined;
    try {
      text = JSON.stringify(value) as string | undefined;
    } catch (cause) {
      const fault = faultOfValue(value) ?? messageOf(cause);
      throw new SerializationError(`The value has no JSON form: ${fault}`, { cause });
    }
    if (text !== undefined) return text;
    assertWritten(value, "JSON");
    return "null";
  }

  decode(bytes: Uint8Array): unknown {
    const text = this.text(bytes);
    try {
      return JSON.parse(text);
    } catch (cause) {
      return parseAgain(text, bytes, cause);
    }
  }

  text(bytes: Uint8Array): string {
    try {
      // Fatal: a byte that is no UTF-8 is an error, not a U+FFFD. The BOM is kept, so that the parser refuses it.
      this.#decoder ??= new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
      return this.#decoder.decode(bytes);
    } catch (cause) {
      throw malformed("a byte that is no UTF-8", bytes, faultOfUtf8(bytes), cause);
    }
  }
}

/** For what Python writes and JSON does not allow; the first parse, of nearly every message, does not pay for it. */
function parseAgain(text: string, bytes: Uint8Array, cause: unknown): unknown {
  const replaced = text.replace(
    STRING_OR_TOKEN,
    (found) => found.startsWith('"') ? found : "null",
  );
  if (replaced !== text) {
    try {
      return JSON.parse(replaced);
    } catch {
      // These tokens are not all that is wrong: the error below is about what was sent.
    }
  }
  const at = faultOfJson(text);
  const what = text.startsWith("\ufeff")
    ? "a byte order mark"
    : at === text.length
    ? "their end"
    : `${JSON.stringify(String.fromCodePoint(text.codePointAt(at)!))}, which cannot be there`;
  throw malformed(what, bytes, new TextEncoder().encode(text.slice(0, at)).length, cause);
}

function malformed(
  what: string,
  bytes: Uint8Array,
  position: number,
  cause: unknown,
): SerializationError {
  const shown = JSON.stringify(new TextDecoder().decode(bytes.subarray(0, SHOWN)));
  const more = bytes.length > SHOWN ? ` and ${bytes.length - SHOWN} bytes more` : "";
  return new SerializationError(
    `The bytes are no JSON: at position ${position} comes ${what}; they are ${shown}${more}`,
    { cause, details: { codec: "json", position, size: bytes.length } },
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * JSON, the default codec. Text in UTF-8; what `JSON.stringify` drops is dropped, and `undefined` alone is `null`, as are
 * `NaN` and the infinities. It reads the bare `NaN` and `Infinity` that Python writes, as `null`, and refuses a byte order
 * mark.
 *
 * @throws {SerializationError} from `encode` for a cycle or a `bigint`, saying where it is, and for a function or a symbol
 * alone; from `decode` for malformed bytes, with `details.position` (in bytes).
 */
export function createJsonCodec(): Codec {
  return new JsonCodec();
}
