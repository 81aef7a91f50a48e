import { readFileSync, writeFileSync } from "node:fs";

/** Clock ticks per second in /proc: 100 on every Linux that Node runs on. */
const TICKS = 100;

const readOr = (path: string, otherwise: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
};

/** CPU seconds of these processes so far, user and system, in steps of 10 ms. NaN where there is no /proc. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    // The name in the second field may hold spaces but ends at the last parenthesis; utime and stime are fields 14, 15.
    const fields = readOr(`/proc/${pid}/stat`, ") ").split(") ").at(-1)!.split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS;
}

/** Forgets the peak of a process's memory so far, so that the next one is of what comes. */
export function forgetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
  } catch {
    // Not Linux, or not allowed: the peak then counts from the start of the process.
  }
}

/** The most resident memory a process had, in bytes; NaN where there is no /proc. */
export const peakBytes = (pid: number): number =>
  Number(/^VmHWM:\s+(\d+) kB/m.exec(readOr(`/proc/${pid}/status`, ""))?.[1] ?? Number.NaN) * 1024;

/** The children a process has now: of an nginx master its workers. */
export const childrenOf = (pid: number): number[] =>
  readOr(`/proc/${pid}/task/${pid}/children`, "").trim().split(" ").filter(Boolean).map(Number);
