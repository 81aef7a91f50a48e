import type { Part, Report, Setting, Target } from "./part.ts";
import { spread } from "./statistics.ts";
import { figure, figures, table } from "./table.ts";
import { latency } from "./webhook-latency.ts";
import { type Burst, burst, killedHalfway, steadyTransactions } from "./webhook-load.ts";
import { rowsPerDelivery } from "./webhook-rows.ts";
import { webhookStage } from "./webhook-stage.ts";
import { least, most } from "./webhook-targets.ts";

/** Deliveries per burst are about the same, so that each takes a second or more. */
const bursts = [
  { endpoints: 1, events: 4000, wanted: 2500 },
  { endpoints: 10, events: 1000, wanted: 4000 },
  { endpoints: 50, events: 300, wanted: 4000 },
];
/** Events a second, where they are to come one by one. */
const SELDOM = 2;
const MOST_CPU = 0.3;
const MOST_MEGABYTES = 300;
const MOST_ROWS = 4;

async function throughput({ options, say }: Setting): Promise<Report> {
  const targets: Target[] = [];
  const rows: string[][] = [];
  for (const { endpoints, events, wanted } of bursts) {
    say(`${events} backups at once, ${endpoints} endpoints`);
    const stage = await webhookStage();
    await stage.endpoints(endpoints);
    const runs: Burst[] = [];
    for (let round = 0; round < options.rounds; round++) runs.push(await burst(stage, events, endpoints));
    await stage.stop();
    const of = (pick: (run: Burst) => number) => spread(runs.map(pick));
    const [rate, cpu, peak] = [of((r) => r.perSecond), of((r) => r.cpuPerThousand), of((r) => r.peakMegabytes)];
    rows.push([
      String(endpoints),
      figures(rate),
      figures(cpu),
      figure(of((r) => r.transactionsPerDelivery).median),
      figure(peak.max),
      figures(of((r) => r.firstMs)),
    ]);
    targets.push(
      least(`deliveries/s to ${endpoints}`, wanted, rate.median),
      most(`CPU s per 1,000 deliveries to ${endpoints}`, MOST_CPU, cpu.median),
      most(`memory, ${endpoints} endpoints`, MOST_MEGABYTES, peak.max, " MB"),
    );
  }
  const head = ["endpoints", "deliveries/s", "CPU s per 1,000", "commits per delivery", "peak MB", "first after ms"];
  return { text: `Backups that appear at once, and a nudge:\n\n${table(head, rows)}`, targets };
}

async function writes({ options, say }: Setting): Promise<Report> {
  const [together, each] = [1_000, 100];
  say("rows and commits per delivery");
  const stage = await webhookStage();
  await stage.endpoints(1);
  const burstCommits = (await burst(stage, together, 1)).transactionsPerDelivery;
  const singleCommits = await steadyTransactions(stage, SELDOM, options.seconds * 5);
  await stage.stop();
  const burstRows = await rowsPerDelivery(together, "at once");
  const singleRows = await rowsPerDelivery(each, "one by one");
  const head = ["to one endpoint", "rows per delivery", "commits per delivery"];
  const rows = [
    [`${figure(together)} events at once`, figure(burstRows), figure(burstCommits)],
    ["events one by one", figure(singleRows), figure(singleCommits)],
  ];
  const text =
    "Rows are those of the endpoint (lease with cursor, result, alarm), one more each when a delivery's row is removed later; commits are " +
    "those of all objects, the look at the server and the ledger included:";
  const targets = [
    most("rows per delivery, events at once", MOST_ROWS, burstRows),
    most("rows per delivery, events one by one", MOST_ROWS, singleRows),
  ];
  return { text: `${text}\n\n${table(head, rows)}`, targets };
}

async function kills({ say }: Setting): Promise<Report> {
  say("SIGKILL in mid-load");
  const rows: string[][] = [];
  const targets: Target[] = [];
  for (const { endpoints, events, hanging } of [
    { endpoints: 1, events: 1000, hanging: false },
    { endpoints: 9, events: 300, hanging: true },
  ]) {
    const stage = await webhookStage();
    await stage.endpoints(endpoints);
    if (hanging) await stage.endpoints(1, "hang");
    const { lost, twice, lastMs } = await killedHalfway(stage, events, endpoints);
    await stage.stop();
    const name = `${events} events to ${endpoints}${hanging ? " beside one that hangs" : ""}`;
    rows.push([name, String(lost), String(twice), figure(lastMs / 1000)]);
    targets.push(most(`lost by SIGKILL, ${name}`, 0, lost), most(`twice by SIGKILL, ${name}`, 6 * endpoints, twice));
  }
  const head = ["killed halfway", "lost", "twice", "all there after s"];
  return { text: `SIGKILL of workerd and a restart:\n\n${table(head, rows)}`, targets };
}

const part: Part = {
  title: "webhook deliveries",
  async run(setting) {
    const reports = [await throughput(setting), await writes(setting), await latency(setting), await kills(setting)];
    return {
      text: reports.map(({ text }) => text).join("\n\n"),
      targets: reports.flatMap(({ targets }) => targets),
    };
  },
};
export default part;
