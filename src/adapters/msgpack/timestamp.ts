// MessagePack's timestamp extension as ISO 8601.

/**
 * The time that a timestamp of 4, 8 or 12 bytes holds, in UTC and with as many of the nine digits of its fraction as it
 * needs; `undefined` when it has another size, more than a second of nanoseconds, or lies outside the years 0 to 9999.
 */
export function timestamp(view: DataView, at: number, length: number): string | undefined {
  let seconds: number;
  let nanoseconds = 0;
  if (length === 4) {
    seconds = view.getUint32(at);
  } else if (length === 8) {
    // Thirty bits of nanoseconds, thirty-four of seconds.
    const upper = view.getUint32(at);
    nanoseconds = upper >>> 2;
    seconds = (upper & 3) * 2 ** 32 + view.getUint32(at + 4);
  } else if (length === 12) {
    nanoseconds = view.getUint32(at);
    seconds = Number(view.getBigInt64(at + 4));
  } else {
    return undefined;
  }
  const date = new Date(seconds * 1000);
  const year = date.getUTCFullYear();
  if (!(nanoseconds < 1e9 && year >= 0 && year <= 9999)) return undefined;
  const fraction = String(nanoseconds).padStart(9, "0").replace(/0+$/, "");
  return `${date.toISOString().slice(0, 19)}${fraction === "" ? "" : `.${fraction}`}Z`;
}
