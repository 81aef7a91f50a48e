import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { vi } from "vitest";
import { SOON } from "./waiting.ts";

export type Listed = { pid: number; group: number; commandLine: string };

/** Every process of the machine we may see; zombies, which only wait for their parent, left out. */
export function listProcesses(): Listed[] {
  if (!existsSync("/proc/self/stat")) {
    const lines = execFileSync("ps", ["-A", "-ww", "-o", "pid=,pgid=,command="], { encoding: "utf8" })
      .trim()
      .split("\n");
    return lines.map((line) => {
      const [pid, group, ...words] = line.trim().split(/\s+/);
      return { pid: Number(pid), group: Number(group), commandLine: words.join(" ") };
    });
  }
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const commandLine = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      // After the name, which may hold spaces: state, parent, group.
      const group = Number(readFileSync(`/proc/${name}/stat`, "utf8").split(") ").at(-1)!.split(" ")[2]);
      return commandLine === "" ? [] : [{ pid: Number(name), group, commandLine }];
    } catch {
      return [];
    }
  });
}

/** The processes whose command line holds the text: a folder only one test uses names everything that test started. */
export const processesNaming = (text: string): Listed[] =>
  listProcesses().filter(({ pid, commandLine }) => pid !== process.pid && commandLine.includes(text));

/** Everything in the groups of those: a program's own children name nothing, but stay in its group. */
export function familiesNaming(text: string): Listed[] {
  const groups = new Set(processesNaming(text).map(({ group }) => group));
  return listProcesses().filter(({ group }) => groups.has(group));
}

/** Waits a while until `left` finds nothing; what is left then. */
export async function afterTheyEnd(left: () => Listed[]): Promise<Listed[]> {
  await vi.waitUntil(() => left().length === 0, SOON).catch(() => undefined);
  return left();
}

/** The same processes that are still there. */
export const stillThere = (known: Listed[]): Listed[] =>
  listProcesses().filter((one) =>
    known.some(({ pid, commandLine }) => pid === one.pid && commandLine === one.commandLine),
  );
