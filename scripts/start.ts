import { mkdtemp, readdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { runDemo, type StartFlags } from "./demo-session.ts";
import { readFlags, readPort } from "./flags.ts";
import { lockFolder } from "./folder-lock.ts";
import { endAllProcesses } from "./processes.ts";
import { Refusal, runScript } from "./refusal.ts";
import { root } from "./root.ts";
import { onShutdown } from "./shutdown.ts";
import { readUpstreamUrl } from "./upstream-choice.ts";

const help = `
npm start -- [flags]

Starts a PocketBase of its own and the relay in front of it, both on 127.0.0.1, makes one backup through the relay and
prints a key with lines to paste. Ctrl-C ends both. Data stays in .relay/ between runs.

  --port PORT            the relay's (default 8787; 0 picks a free one)
  --upstream-port PORT   PocketBase's (default 8090; 0 picks a free one)
  --pocketbase VERSION   another PocketBase than the pinned one
  --fresh                throws the data of earlier runs away first
  --upstream URL         fronts an existing server instead; its superuser is asked for, or taken from POCKETBASE_TOKEN,
                         or POCKETBASE_EMAIL and POCKETBASE_PASSWORD. Nothing is written there before you say yes.
  --help

BACKUP_RELAY_FOLDER in the environment is another folder than .relay/, for a second one at the same time.
`;

const folder = resolve(process.env.BACKUP_RELAY_FOLDER || join(root, ".relay"));
const demoFile = join(folder, "demo.json");
const say = (line: string) => console.error(line);

function readStartFlags(): StartFlags {
  const { values } = readFlags(
    process.argv.slice(2),
    {
      port: { type: "string", default: "8787" },
      "upstream-port": { type: "string" },
      pocketbase: { type: "string" },
      upstream: { type: "string" },
      fresh: { type: "boolean", default: false },
    },
    help,
  );
  if (values.upstream && (values.pocketbase || values["upstream-port"] || values.fresh))
    throw new Refusal(
      "--upstream fronts an existing server: --pocketbase, --upstream-port and --fresh do not go with it.",
    );
  return {
    port: readPort(values.port, "--port"),
    upstreamPort: readPort(values["upstream-port"] ?? "8090", "--upstream-port"),
    version: values.pocketbase ?? null,
    upstream: values.upstream ? readUpstreamUrl(values.upstream) : null,
    fresh: values.fresh,
  };
}

await runScript(async () => {
  const flags = readStartFlags();
  const lock = lockFolder(folder, "start.lock", (name) => /^(data$|run-)/.test(name));
  // What a run that was killed left behind.
  await rm(demoFile, { force: true });
  for (const name of await readdir(folder))
    if (name.startsWith("run-")) await rm(join(folder, name), { recursive: true, force: true });
  const runDir = await mkdtemp(join(folder, "run-"));
  const asked = new Promise<"asked">((resolve) =>
    onShutdown(
      () => resolve("asked"),
      () => endAllProcesses(0),
    ),
  );
  const dataDir = flags.upstream ? runDir : join(folder, "data");
  const running = runDemo(flags, { dataDir, runDir, logFile: join(folder, "relay.log"), demoFile }, say);
  // While everything ends, calls under way fail; those errors are not reported.
  running.catch(() => {});
  try {
    await Promise.race([asked, running]);
    say("Ending …");
    return 0;
  } finally {
    await endAllProcesses();
    await rm(demoFile, { force: true });
    await rm(runDir, { recursive: true, force: true });
    lock.release();
  }
});
process.exit();
