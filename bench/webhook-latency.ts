import type { Report, Setting, Target } from "./part.ts";
import { quantile, roundOrder, spread } from "./statistics.ts";
import { figure, table } from "./table.ts";
import { steady } from "./webhook-load.ts";
import { webhookStage } from "./webhook-stage.ts";
import { most } from "./webhook-targets.ts";

const RATE = 20;
const MOST_P99_MS = 8;
/** How much bad neighbours may add to the p99 of the healthy ones: less than the difference between two runs. */
const MOST_MORE_MS = 1;

const HOW_MEASURED =
  "The latency begins with the answer of a list call that finds the new file, not with a nudge's: after a look by itself the relay " +
  "leaves 2 s before the next, so 20 nudges a second would be told together by one look and could not be told apart. A list call " +
  "looks at once, and what it finds is committed when it is answered.";

/** One load with its latencies; several of one kind may be put together. */
function latencyRow(endpoints: string, rate: number, waits: readonly number[]) {
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => quantile(waits, share)) as [number, number, number];
  return { p99, cells: [endpoints, String(rate), figure(p50), figure(p95), figure(p99)] };
}

const BAD = ["hang", "trickle", "fail"] as const;

export async function latency(setting: Setting): Promise<Report> {
  const { options, say } = setting;
  const targets: Target[] = [];
  const rows: string[][] = [];
  for (const { endpoints, rate } of [
    { endpoints: 1, rate: RATE },
    { endpoints: 10, rate: RATE },
    { endpoints: 50, rate: RATE / 4 },
  ]) {
    say(`${rate} events/s, ${endpoints} endpoints`);
    const stage = await webhookStage();
    await stage.endpoints(endpoints);
    await steady(stage, rate, 1);
    const { p99, cells } = latencyRow(String(endpoints), rate, await steady(stage, rate, options.seconds * 10));
    await stage.stop();
    rows.push(cells);
    if (rate === RATE) targets.push(most(`p99 at ${RATE} events/s to ${endpoints}`, MOST_P99_MS, p99, " ms"));
  }
  const beside = await neighbours(setting, 50);
  const head = ["endpoints", "events/s", "p50 ms", "p95 ms", "p99 ms"];
  const text = `From the answer by which an event is committed to its receipt:\n\n${table(head, [...rows, ...beside.rows])}`;
  return { text: `${text}\n\n${HOW_MEASURED}`, targets: [...targets, beside.target] };
}

/** The same load with and without bad neighbours, in turn; what is compared are the two of a round. */
async function neighbours({ options, say }: Setting, endpoints: number): Promise<{ rows: string[][]; target: Target }> {
  const subjects = [];
  for (const bad of [false, true]) {
    const stage = await webhookStage();
    await stage.endpoints(endpoints);
    if (bad) for (const behaviour of BAD) await stage.endpoints(1, behaviour);
    await steady(stage, RATE, 1);
    subjects.push({ name: `${endpoints}${bad ? " + 3 bad" : ""}`, stage, rounds: [] as number[][] });
  }
  for (let round = 0; round < options.rounds; round++)
    for (const { name, stage, rounds } of roundOrder(subjects, round)) {
      say(`${RATE} events/s, ${name} endpoints, round ${round + 1}`);
      rounds.push(await steady(stage, RATE, (options.seconds * 10) / options.rounds));
    }
  for (const { stage } of subjects) await stage.stop();
  const [without, beside] = subjects.map(({ rounds }) => rounds.map((waits) => quantile(waits, 0.99)));
  const more = spread(beside!.map((p99, round) => p99 - without![round]!)).median;
  const name = `healthy p99 at ${RATE} events/s beside three bad ones, more than without (median of ${options.rounds} pairs)`;
  return {
    rows: subjects.map((subject) => latencyRow(subject.name, RATE, subject.rounds.flat()).cells),
    target: most(name, MOST_MORE_MS, more, " ms"),
  };
}
