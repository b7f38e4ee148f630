// Stamps: what a stream or a consumer says of who has set it up, so that an older deployment changes nothing of a newer one.

import { compareVersions } from "./version.ts";

/** Who has set something up. */
export interface Stamp {
  /** The service, or the name of the bus where no service did it. */
  readonly by: string;
  /** Its version. */
  readonly version: string;
  /** Whether it leaves as they are the settings of another program: one that only sends does not know what others need. */
  readonly yields?: boolean;
}

/** A description that ends with a stamp. Descriptions are what every server keeps, the oldest too. */
export function stamped(text: string, { by, version }: Stamp): string {
  return `${text} (set up by ${word(by)} ${word(version)})`;
}

/** The stamp that a description ends with; undefined where somebody else has written it. */
export function stampOf(description: string): Stamp | undefined {
  const [, by, version] = /\(set up by (\S+) (\S+)\)$/.exec(description) ?? [];
  return by === undefined || version === undefined ? undefined : { by, version };
}

/** Whether what is there was set up by a newer deployment of the same program, whose settings stay. */
export function isNewer(there: Stamp | undefined, own: Stamp): boolean {
  return there !== undefined && isSameProgram(there, own) &&
    compareVersions(word(there.version), word(own.version)) > 0;
}

/** Whether what is there was set up by a program whose settings this one does not touch. */
export function isYielding(own: Stamp, there: Stamp | undefined): boolean {
  return own.yields === true && there !== undefined && !isSameProgram(own, there);
}

/** Whether both are of one program, in whatever version. */
export function isSameProgram(one: Stamp, other: Stamp): boolean {
  return word(one.by) === word(other.by);
}

/** A name or a version as one word, so that it can be read back. */
function word(text: string): string {
  return text.replaceAll(/\s+/g, "_") || "-";
}
