// node -- scripts/run.mjs scripts/NAME.ts [arguments]: the one door of every npm script.
import { handOver } from "./handover.mjs";

const [script, ...args] = process.argv.slice(2);
await handOver(script, args);
