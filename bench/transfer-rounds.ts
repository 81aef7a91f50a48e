import { load } from "./load.ts";
import type { Subject } from "./request-rounds.ts";
import { pairRatios, roundOrder, type Spread, spread } from "./statistics.ts";
import { figure, figures, table } from "./table.ts";
import { cpuSeconds, forgetPeak, peakBytes } from "./usage.ts";

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

/** One file moved again and again through one subject. */
export type Transfers = {
  name: string;
  seconds: number[];
  /** Of the subject's own processes, per GiB. */
  cpuPerGib: number[];
  /** Of the load generator, per GiB. */
  clientCpuPerGib: number[];
  /** The most resident memory of any of its processes during a transfer. */
  peakBytes: number;
};

/** Moves the file once, on a connection of its own, and tells how long that took. */
export type Move = (subject: Subject) => Promise<{ seconds: number }>;

/** Throws unless the whole length arrives. */
export const downloadOnce =
  ({ bytes, expect }: { bytes: number; expect: number }): Move =>
  async (subject) => {
    const request = await subject.request();
    const moved = await load({ port: subject.peer.port, request, expect, concurrency: 1, seconds: 3600, most: 1 });
    if (moved.bodyBytes !== bytes) throw new Error(`${subject.name}: ${moved.bodyBytes} of ${bytes} bytes arrived`);
    return moved;
  };

/** All subjects in turn, round by round; the first turn of each is not counted. */
export async function transferRounds(
  subjects: readonly Subject[],
  move: Move,
  { rounds, bytes }: { rounds: number; bytes: number },
): Promise<Transfers[]> {
  const series = subjects.map(
    ({ name }): Transfers => ({ name, seconds: [], cpuPerGib: [], clientCpuPerGib: [], peakBytes: Number.NaN }),
  );
  for (const subject of subjects) await move(subject);
  for (let round = 0; round < rounds; round++)
    for (const subject of roundOrder(subjects, round)) {
      const own = series[subjects.indexOf(subject)]!;
      const pids = subject.peer.pids();
      for (const pid of pids) forgetPeak(pid);
      const before = cpuSeconds(pids);
      const client = process.cpuUsage();
      const { seconds } = await move(subject);
      const { user, system } = process.cpuUsage(client);
      own.seconds.push(seconds);
      own.cpuPerGib.push(((cpuSeconds(pids) - before) * GIB) / bytes);
      own.clientCpuPerGib.push((((user + system) / 1e6) * GIB) / bytes);
      own.peakBytes = Math.max(Number.isNaN(own.peakBytes) ? 0 : own.peakBytes, ...pids.map(peakBytes));
    }
  return series;
}

/** How many times as fast as `peer`: its time ÷ ours, pair by pair. */
export const speedRatio = (ours: Transfers, peer: Transfers): Spread => pairRatios(peer.seconds, ours.seconds);

/** Times, what they cost, and each one's speed against `peer`. */
export function transferTable(series: readonly Transfers[], peer: Transfers | undefined): string {
  const rows = series.map((each) => [
    each.name,
    figures(spread(each.seconds)),
    figure(spread(each.cpuPerGib).median),
    figure(spread(each.clientCpuPerGib).median),
    figure(each.peakBytes / MIB),
    peer && each !== peer ? figures(speedRatio(each, peer)) : "",
  ]);
  return table(["", "s", "CPU s/GiB", "client's", "peak MiB", `× ${peer?.name ?? "nginx"}`], rows);
}
