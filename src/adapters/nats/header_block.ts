// Headers of a message as the wire has them: a block of text, a name and a value in each line.

/** The headers in a block, by their exact names; of several of one name the first. */
export function parseHeaders(block: string): Record<string, string> {
  const headers: Record<string, string> = {};
  // The first line is the version of the protocol, and maybe a status.
  for (let from = lineAfter(block, 0), to = 0; from < block.length; from = to + 2) {
    to = block.indexOf("\r\n", from);
    if (to === -1) to = block.length;
    const colon = block.indexOf(":", from);
    if (colon === -1 || colon >= to) continue;
    const name = block.slice(from, colon);
    if (!Object.hasOwn(headers, name)) headers[name] = block.slice(colon + 1, to).trim();
  }
  return headers;
}

function lineAfter(block: string, from: number): number {
  const end = block.indexOf("\r\n", from);
  return end === -1 ? block.length : end + 2;
}
