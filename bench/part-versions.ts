import { cp, mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { buildWorker, type WorkerBuild } from "../scripts/build-worker.ts";
import { runProcess } from "../scripts/processes.ts";
import { Refusal } from "../scripts/refusal.ts";
import { requestText } from "./load.ts";
import { atLeast, type Part, type Setting, type Target } from "./part.ts";
import { requestRounds, type Subject } from "./request-rounds.ts";
import { requestTable } from "./request-table.ts";
import { startRegisteredRelay, startServer } from "./stage.ts";
import { pairRatios, roundOrder, spread } from "./statistics.ts";
import { figure, figures, table } from "./table.ts";
import { downloadOnce, speedRatio, transferRounds, transferTable } from "./transfer-rounds.ts";
import { type Burst, burst } from "./webhook-load.ts";
import { webhookStage } from "./webhook-stage.ts";

const KEY = "bench.zip";
/** None may be worse than the other by more than a twentieth. */
const WANTED = 0.95;
const ENDPOINTS = 10;
const EVENTS = 1_000;

/** This tree's Worker and the other checkout's, which is built there; both run with this tree's workerd and settings. */
async function builds({ options, workFolder, say }: Setting): Promise<{ name: string; build: WorkerBuild }[]> {
  const ours = await buildWorker();
  say(`building ${options.against}`);
  const { code, log } = await runProcess({ command: "npm", args: ["run", "build"], cwd: options.against! });
  if (code !== 0) throw new Refusal(`The Worker of ${options.against} does not build:\n${log.trim()}`);
  const folder = join(workFolder, "other");
  await cp(join(options.against!, "dist"), folder, { recursive: true });
  return [
    { name: "this tree", build: ours },
    { name: "the other", build: { ...ours, folder } },
  ];
}

type Built = Awaited<ReturnType<typeof builds>>;

/** HEAD at 16 connections and one large file in `exact`, of the same server. */
async function reads(both: Built, { options, say }: Setting): Promise<{ text: string; targets: Target[] }> {
  const server = await startServer();
  await mkdir(join(server.dataDir, "backups"), { recursive: true });
  const file = await open(join(server.dataDir, "backups", KEY), "w");
  await file.truncate(options.bytes);
  await file.close();
  const subjects = (method: "HEAD" | "GET") => async (): Promise<Subject[]> =>
    Promise.all(
      both.map(async ({ name, build }) => {
        const relay = await startRegisteredRelay(server, { build });
        const request = () => requestText(method, `/api/backups/${KEY}`, { Authorization: relay.key });
        return { name, peer: relay, request };
      }),
    );
  say("HEAD, concurrency 16");
  const heads = await requestRounds(await subjects("HEAD")(), { ...options, concurrency: 16, expect: 200 });
  say(`${options.bytes / 1024 ** 2} MiB, HEALING=exact`);
  const { rounds, bytes } = options;
  const files = await transferRounds(await subjects("GET")(), downloadOnce({ bytes, expect: 200 }), { rounds, bytes });
  await server.stop();
  const perSecond = pairRatios(heads[0]!.perSecond, heads[1]!.perSecond).median;
  const cpu = pairRatios(heads[1]!.cpuPerRequest, heads[0]!.cpuPerRequest).median;
  return {
    text: `HEAD, concurrency 16:\n\n${requestTable(heads)}\n\nDownload in exact:\n\n${transferTable(files, files[1])}`,
    targets: [
      atLeast("HEAD requests/s, this tree ÷ the other", WANTED, perSecond),
      atLeast("HEAD CPU, the other ÷ this tree", WANTED, cpu),
      atLeast("download speed, this tree × the other", WANTED, speedRatio(files[0]!, files[1]!).median),
    ],
  };
}

/** Backups that appear at once, to ten endpoints each. */
async function deliveries(both: Built, { options, say }: Setting): Promise<{ text: string; targets: Target[] }> {
  say(`${EVENTS} events to ${ENDPOINTS} endpoints`);
  const stages = await Promise.all(both.map(async ({ build }) => webhookStage(build)));
  for (const stage of stages) await stage.endpoints(ENDPOINTS);
  const runs: Burst[][] = both.map(() => []);
  for (let round = 0; round < options.rounds; round++)
    for (const stage of roundOrder(stages, round))
      runs[stages.indexOf(stage)]!.push(await burst(stage, EVENTS, ENDPOINTS));
  for (const stage of stages) await stage.stop();
  const rates = runs.map((each) => each.map(({ perSecond }) => perSecond));
  const rows = both.map(({ name }, index) => [
    name,
    figures(spread(rates[index]!)),
    figure(spread(runs[index]!.map(({ cpuPerThousand }) => cpuPerThousand)).median),
  ]);
  return {
    text: `Deliveries to ${ENDPOINTS} endpoints:\n\n${table(["", "deliveries/s", "CPU s per 1,000"], rows)}`,
    targets: [atLeast("deliveries/s, this tree ÷ the other", WANTED, pairRatios(rates[0]!, rates[1]!).median)],
  };
}

const part: Part = {
  title: "this tree beside another checkout",
  async run(setting) {
    if (setting.options.against === null) return { text: "Left out: no `--against FOLDER` was given.", targets: [] };
    const both = await builds(setting);
    const measured = [await reads(both, setting), await deliveries(both, setting)];
    return {
      text: measured.map(({ text }) => text).join("\n\n"),
      targets: measured.flatMap(({ targets }) => targets),
    };
  },
};
export default part;
