import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";

export type Listed = { pid: number; commandLine: string };

/** Every process of the machine we may see; zombies, which only wait for their parent, left out. */
export function listProcesses(): Listed[] {
  if (!existsSync("/proc/self/stat")) {
    const lines = execFileSync("ps", ["-A", "-ww", "-o", "pid=,command="], { encoding: "utf8" }).trim().split("\n");
    return lines.map((line) => {
      const [pid, ...words] = line.trim().split(/\s+/);
      return { pid: Number(pid), commandLine: words.join(" ") };
    });
  }
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const commandLine = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      return commandLine === "" ? [] : [{ pid: Number(name), commandLine }];
    } catch {
      return [];
    }
  });
}

/** The processes whose command line holds the text: a folder only one test uses names everything that test started. */
export const processesNaming = (text: string): Listed[] =>
  listProcesses().filter(({ pid, commandLine }) => pid !== process.pid && commandLine.includes(text));

/** Waits until nothing names the text, ten seconds at most; what is left then. */
export async function afterTheyEnd(text: string): Promise<Listed[]> {
  for (const end = performance.now() + 10_000; performance.now() < end; ) {
    if (processesNaming(text).length === 0) return [];
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return processesNaming(text);
}
