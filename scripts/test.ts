import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle, lint, runSteps, servers, types } from "./check-steps.ts";
import { addTallies, closingLine, type Tally, tallyVitest, type VitestReport } from "./closing-line.ts";
import { endAllProcesses, startProcess } from "./processes.ts";
import { runScript } from "./refusal.ts";
import { root } from "./root.ts";
import { onShutdown } from "./shutdown.ts";

const help = `
npm test [-- FILTER …]

Gets both PocketBase versions, then checks types, lint and the bundle and runs every test. Filters and flags are
vitest's (a part of a path, -t NAME, --project worker); with them only the tests that match run, without the other steps.

npm run test:full [-- FILTER …]

The same, and after it what takes minutes of real time (test/slow). With filters only the slow tests that match run.
`;

const slow = ["--config", join(root, "test", "slow", "vitest.config.ts")];

/** Runs vitest with its output on the terminal and its own report beside it. */
async function runVitest(args: string[]): Promise<Tally> {
  const folder = await mkdtemp(join(tmpdir(), "relay-test-"));
  const reportFile = join(folder, "report.json");
  const vitest = startProcess({
    command: process.execPath,
    args: [
      join(root, "node_modules", "vitest", "vitest.mjs"),
      "run",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${reportFile}`,
      ...args,
    ],
    cwd: root,
    env: { ...process.env, ...(process.stdout.isTTY ? { FORCE_COLOR: "1" } : {}) },
    onOutput: (text) => process.stdout.write(text),
  });
  const { code } = await vitest.exited;
  const text = await readFile(reportFile, "utf8").catch(() => "null");
  await rm(folder, { recursive: true, force: true });
  return tallyVitest(JSON.parse(text) as VitestReport | null, code);
}

await runScript(async () => {
  const given = process.argv.slice(2);
  const full = given.includes("--full");
  const filters = given.filter((argument) => argument !== "--full");
  if (filters.includes("--help") || filters.includes("-h")) {
    console.log(help.trim());
    return 0;
  }
  onShutdown(
    () => endAllProcesses().then(() => process.exit(130)),
    () => endAllProcesses(0),
  );
  const steps = filters.length > 0 ? [] : [servers, types, lint, bundle];
  const tallies = [await runSteps(steps)];
  if (!full || filters.length === 0) {
    console.log("▶ tests …");
    tallies.push(await runVitest(filters));
  }
  if (full) {
    console.log("▶ slow tests …");
    tallies.push(await runVitest([...slow, ...filters]));
  }
  const tally = addTallies(tallies);
  console.log(closingLine(tally));
  return tally.failed === 0 ? 0 : 1;
});
