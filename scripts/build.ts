import { buildWorker, copyToDist, sizeLine } from "./build-worker.ts";
import { readFlags } from "./flags.ts";
import { runScript } from "./refusal.ts";

const help = `
npm run build

Bundles the Worker as wrangler would deploy it, into dist/, and prints its size.
`;

await runScript(async () => {
  readFlags(process.argv.slice(2), {}, help);
  const build = await buildWorker(console.log);
  await copyToDist(build);
  console.log(`dist/index.js: ${sizeLine(build)}`);
  return 0;
});
