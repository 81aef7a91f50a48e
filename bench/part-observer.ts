import { instanceInMemory, type Used } from "./instance-in-memory.ts";
import type { Part, Target } from "./part.ts";
import { table } from "./table.ts";

const HOUR = 3_600_000;
/** Workers Free, per account and day (developers.cloudflare.com/durable-objects/platform/pricing, 2026). */
const FREE = { requests: 100_000, rowsWritten: 100_000, gigabyteSeconds: 13_000 };
/** Of an object in memory; a look is billed for as long as the server takes to answer. */
const GIGABYTES = 0.128;
const LOOK_SECONDS = 0.3;

const sum = (calls: Used["calls"]) => Object.values(calls).reduce((all, count) => all + count, 0);
const words = (calls: Used["calls"]) =>
  Object.entries(calls)
    .map(([call, count]) => `${count} ${call}`)
    .join(", ");
const number = (value: number) => Math.floor(value).toLocaleString("en-US");

async function measured(backups: number) {
  const instance = await instanceInMemory(backups);
  await instance.pass(HOUR);
  const idle = await instance.pass(24 * HOUR);
  await instance.fake.cron();
  const made = await instance.pass(HOUR);
  const quiet = await instance.pass(HOUR);
  return {
    backups,
    idle,
    more: { rows: made.rowsWritten - quiet.rowsWritten, calls: sum(made.calls) - sum(quiet.calls) },
  };
}

/** How many instances fit, by each limit; the smallest counts. */
function carried({ idle, more }: Awaited<ReturnType<typeof measured>>) {
  const day = { alarms: idle.alarms, rows: idle.rowsWritten + more.rows };
  const seconds = day.alarms * LOOK_SECONDS * GIGABYTES;
  const byRequests = FREE.requests / day.alarms;
  const byRows = FREE.rowsWritten / day.rows;
  const byTime = FREE.gigabyteSeconds / seconds;
  const least = Math.floor(Math.min(byRequests, byRows, byTime));
  const text = [
    "How many instances the Free plan carries, each looked at every 120 s with one new backup a day:",
    "",
    `* requests (an alarm is one): ${number(FREE.requests)} a day ÷ ${day.alarms} = ${number(byRequests)}`,
    `* rows written (arming an alarm is one): ${number(FREE.rowsWritten)} a day ÷ (${idle.rowsWritten} + ${more.rows} for the backup) = ${number(byRows)}`,
    `* duration: ${number(FREE.gigabyteSeconds)} GB-s a day ÷ (${day.alarms} looks × ${LOOK_SECONDS} s × ${GIGABYTES} GB = ${seconds.toFixed(1)} GB-s) = ${number(byTime)}, if the server answers within ${LOOK_SECONDS} s`,
    "",
    `So **${least} instances** and nothing else; at a look every 600 s about ${number(least * 5)}. Callers' requests and webhooks come on top.`,
  ].join("\n");
  return { least, text };
}

const part: Part = {
  title: "what watching an instance costs",
  async run({ say }) {
    const results = [];
    for (const backups of [0, 100, 1_000]) {
      say(`${backups} backups, 24 hours`);
      results.push(await measured(backups));
    }
    const rows = results.map(({ backups, idle, more }) => [
      String(backups),
      (idle.alarms / 24).toFixed(1),
      (idle.rowsWritten / 24).toFixed(1),
      (sum(idle.calls) / 24).toFixed(1),
      String(more.rows),
      String(more.calls),
    ]);
    const head = ["backups", "alarms/h", "rows/h", "calls/h", "rows per new backup", "calls per new backup"];
    const [, , large] = results;
    const { least, text } = carried(large!);
    const perLook = large!.idle.rowsWritten / large!.idle.alarms;
    const targets: Target[] = [
      {
        name: "idle look: rows written, the alarm's own left out",
        wanted: "≤ 1",
        reached: (perLook - 1).toFixed(2),
        met: perLook <= 2,
      },
      { name: "instances on the Free plan", wanted: "≥ 100", reached: String(least), met: least >= 100 },
    ];
    const per = `Calls of 24 idle hours with 1,000 backups: ${words(large!.idle.calls)}.`;
    const how =
      "The instance's own parts on Node's SQLite, a server in memory and a clock that jumps to what is due; rows are counted by the database, one is added for each arming of the alarm.";
    return { text: `${how}\n\n${table(head, rows)}\n\n${per}\n\n${text}`, targets };
  },
};
export default part;
