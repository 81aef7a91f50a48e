import { lint, runSteps, types } from "./check-steps.ts";
import { closingLine } from "./closing-line.ts";
import { readFlags } from "./flags.ts";
import { runScript } from "./refusal.ts";

await runScript(async () => {
  readFlags(process.argv.slice(2), {}, "npm run check\n\nTypes and lint, without the tests.");
  const tally = await runSteps([types, lint]);
  console.log(closingLine(tally));
  return tally.failed === 0 ? 0 : 1;
});
