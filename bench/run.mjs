// npm run bench: runs on the project's own Node.
import { bootstrap } from "../scripts/bootstrap.mjs";

await bootstrap("bench/bench.ts", process.argv.slice(2));
