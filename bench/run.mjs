// npm run bench: hands over to the project's own Node.
import { handOver } from "../scripts/handover.mjs";

await handOver("bench/bench.ts", process.argv.slice(2));
