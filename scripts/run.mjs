// node -- scripts/run.mjs scripts/NAME.ts [arguments]: how every npm script starts.
import { bootstrap } from "./bootstrap.mjs";

const [script, ...args] = process.argv.slice(2);
await bootstrap(script, args);
