import type { Part, Report, Setting, Target } from "./part.ts";
import { quantile, spread } from "./statistics.ts";
import { figure, figures, table } from "./table.ts";
import { type Burst, burst, killedHalfway, steady } from "./webhook-load.ts";
import { webhookStage } from "./webhook-stage.ts";

/** Deliveries per burst are about the same, so that each takes a second or more. */
const bursts = [
  { endpoints: 1, events: 4000, wanted: 2500 },
  { endpoints: 10, events: 1000, wanted: 4000 },
  { endpoints: 50, events: 300, wanted: 4000 },
];
const RATE = 20;
const MOST_CPU = 0.3;
const MOST_MEGABYTES = 300;
const MOST_P99_MS = 8;

const least = (name: string, wanted: number, reached: number): Target => ({
  name,
  wanted: `≥ ${wanted.toLocaleString("en-US")}`,
  reached: figure(reached),
  met: reached >= wanted,
});
const most = (name: string, wanted: number, reached: number, unit = ""): Target => ({
  name,
  wanted: `≤ ${wanted}${unit}`,
  reached: `${figure(reached)}${unit}`,
  met: reached <= wanted,
});

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

async function latency({ options, say }: Setting): Promise<Report> {
  const targets: Target[] = [];
  const rows: string[][] = [];
  const seconds = options.seconds * 10;
  for (const { endpoints, rate, bad } of [
    { endpoints: 1, rate: RATE, bad: false },
    { endpoints: 10, rate: RATE, bad: false },
    { endpoints: 50, rate: 5, bad: false },
    { endpoints: 50, rate: 5, bad: true },
    { endpoints: 50, rate: RATE, bad: false },
    { endpoints: 50, rate: RATE, bad: true },
  ]) {
    say(`${rate} events/s, ${endpoints} endpoints${bad ? " and three bad ones" : ""}`);
    const stage = await webhookStage();
    await stage.endpoints(endpoints);
    if (bad) for (const manner of ["hang", "trickle", "fail"] as const) await stage.endpoints(1, manner);
    await steady(stage, rate, 1);
    const waits = await steady(stage, rate, seconds);
    await stage.stop();
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => quantile(waits, share)) as [number, number, number];
    rows.push([`${endpoints}${bad ? " + 3 bad" : ""}`, String(rate), figure(p50), figure(p95), figure(p99)]);
    if (rate === RATE && endpoints < 50)
      targets.push(most(`p99 at ${RATE} events/s to ${endpoints}`, MOST_P99_MS, p99, " ms"));
  }
  const head = ["endpoints", "events/s", "p50 ms", "p95 ms", "p99 ms"];
  return { text: `From the answer by which an event is committed to its receipt:\n\n${table(head, rows)}`, targets };
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
    const reports = [await throughput(setting), await latency(setting), await kills(setting)];
    return {
      text: reports.map(({ text }) => text).join("\n\n"),
      targets: reports.flatMap(({ targets }) => targets),
    };
  },
};
export default part;
