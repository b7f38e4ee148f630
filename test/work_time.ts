// How much work something was, which tests hold against a limit where waiting for other programs must not count.

import process from "node:process";

/** Starts to measure. What is returned gives the time that this process has worked since then, in milliseconds. */
export function workTime(): () => number {
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  };
}
