import { join } from "node:path";
import { buildWorker, freePlanGzipBytes, sizeLine } from "./build-worker.ts";
import type { Tally } from "./closing-line.ts";
import { findPocketBase } from "./pocketbase-find.ts";
import { defaultVersion, previousVersion } from "./pocketbase-versions.ts";
import { runProcess } from "./processes.ts";
import { Refusal } from "./refusal.ts";
import { root } from "./root.ts";

/** One thing that passes or fails as a whole. Resolves with a note for its line; throws a `Refusal` with the reason. */
export type Step = { name: string; run(): Promise<string> };

const tool = (...path: string[]) => join(root, "node_modules", ...path);

async function runTool(command: string, args: string[]): Promise<string> {
  const { code, log } = await runProcess({ command, args, cwd: root });
  if (code !== 0) throw new Refusal(log.trim());
  return "";
}

export const types: Step = {
  name: "types",
  run: () => runTool(tool(".bin", "tsc"), ["-p", root, "--pretty", "false"]),
};

export const lint: Step = { name: "lint", run: () => runTool(tool(".bin", "biome"), ["check", "--error-on-warnings"]) };

export const bundle: Step = {
  name: "bundle",
  async run() {
    const build = await buildWorker();
    if (build.gzipBytes > freePlanGzipBytes) throw new Refusal(`It does not fit the Free plan: ${sizeLine(build)}.`);
    return sizeLine(build);
  },
};

/** Both PocketBase versions that the tests run against. */
export const servers: Step = {
  name: "PocketBase",
  async run() {
    const found = [];
    for (const version of [defaultVersion, previousVersion]) found.push(await findPocketBase(version, console.log));
    return found.map(({ version, origin }) => `${version} (${origin})`).join(", ");
  },
};

/** Runs steps one after another, a line for each; a failed one shows why and does not stop the others. */
export async function runSteps(steps: Step[]): Promise<Tally> {
  const tally = { passed: 0, failed: 0, skipped: 0 };
  for (const step of steps) {
    console.log(`▶ ${step.name} …`);
    const started = performance.now();
    try {
      const word = await step.run();
      tally.passed++;
      console.log(
        `  ${step.name} passed in ${((performance.now() - started) / 1000).toFixed(1)} s${word ? `: ${word}` : ""}`,
      );
    } catch (error) {
      tally.failed++;
      console.log(
        `  ${step.name} failed:\n${error instanceof Refusal ? error.message : String((error as Error).stack)}`,
      );
    }
  }
  return tally;
}
