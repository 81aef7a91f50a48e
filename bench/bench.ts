import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endAllProcesses, endRunningProcesses } from "../scripts/processes.ts";
import { runScript } from "../scripts/refusal.ts";
import { root } from "../scripts/root.ts";
import { onShutdown } from "../scripts/shutdown.ts";
import { machine } from "./machine.ts";
import { readOptions } from "./options.ts";
import type { Part, Target } from "./part.ts";
import { table } from "./table.ts";

const folder = join(root, "bench");
/** The order of the report; parts not named here follow. */
const first = ["head", "list", "download", "upload"];

async function knownParts(): Promise<string[]> {
  const names = (await readdir(folder)).flatMap((file) => /^part-(.+)\.ts$/.exec(file)?.[1] ?? []);
  const rank = (name: string) => (first.indexOf(name) + 1 || first.length + 1) - 1;
  return names.sort((one, other) => rank(one) - rank(other) || one.localeCompare(other));
}

await runScript(async () => {
  const known = await knownParts();
  const options = readOptions(process.argv.slice(2), known);
  onShutdown(
    () => void endAllProcesses().finally(() => process.exit(130)),
    () => process.exit(130),
  );
  console.log(
    `${machine()}\nClient, relay, peers and server share these cores; each ratio is the median of ${options.rounds} interleaved pairs.\n`,
  );
  const targets: Target[] = [];
  for (const name of options.parts.length > 0 ? options.parts : known) {
    const part = ((await import(`./part-${name}.ts`)) as { default: Part }).default;
    const workFolder = await mkdtemp(join(tmpdir(), `relay-bench-${name}-`));
    const say = (line: string) => console.error(`${name}: ${line}`);
    try {
      const report = await part.run({ options, workFolder, say });
      console.log(`## ${name}: ${part.title}\n\n${report.text.trim()}\n`);
      targets.push(...report.targets);
    } finally {
      await endRunningProcesses();
      await rm(workFolder, { recursive: true, force: true });
    }
  }
  if (targets.length > 0) {
    const rows = targets.map(({ name, wanted, reached, met }) => [name, wanted, reached, met ? "yes" : "no"]);
    console.log(`## Targets\n\n${table(["target", "wanted", "reached", "met"], rows)}`);
  }
  return 0;
});
