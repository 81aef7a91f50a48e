import { type Loaded, load } from "./load.ts";
import type { Peer } from "./peer.ts";
import { quantile, roundOrder } from "./statistics.ts";
import { cpuSeconds } from "./usage.ts";

/** A server that answers the same request. */
export type Subject = {
  name: string;
  peer: Peer;
  /** The request as it goes over the wire; asked before every round, since tokens die. */
  request(): Promise<string> | string;
};

export type Series = {
  name: string;
  perSecond: number[];
  medianMs: number[];
  p99Ms: number[];
  /** Of the subject's own processes, in microseconds. */
  cpuPerRequest: number[];
  /** Of the load generator, in microseconds. */
  clientCpuPerRequest: number[];
  bodyBytes: number;
};

type Rounds = { rounds: number; seconds: number; concurrency: number; expect: number };

/** Loads all subjects in turn, round by round; the series of one round belong together. */
export async function requestRounds(subjects: readonly Subject[], how: Rounds): Promise<Series[]> {
  const series = subjects.map(
    ({ name }): Series => ({
      name,
      perSecond: [],
      medianMs: [],
      p99Ms: [],
      cpuPerRequest: [],
      clientCpuPerRequest: [],
      bodyBytes: 0,
    }),
  );
  const run = async ({ peer, request }: Subject, seconds: number): Promise<Loaded> =>
    load({ port: peer.port, request: await request(), expect: how.expect, concurrency: how.concurrency, seconds });
  // Connections, caches and compiled code first.
  for (const subject of subjects) await run(subject, how.seconds / 2);
  for (let round = 0; round < how.rounds; round++)
    for (const subject of roundOrder(subjects, round)) {
      const own = series[subjects.indexOf(subject)]!;
      const before = cpuSeconds(subject.peer.pids());
      const client = process.cpuUsage();
      const loaded = await run(subject, how.seconds);
      const { user, system } = process.cpuUsage(client);
      own.cpuPerRequest.push(((cpuSeconds(subject.peer.pids()) - before) / loaded.requests) * 1e6);
      own.clientCpuPerRequest.push((user + system) / loaded.requests);
      own.perSecond.push(loaded.perSecond);
      own.medianMs.push(quantile(loaded.milliseconds, 0.5));
      own.p99Ms.push(quantile(loaded.milliseconds, 0.99));
      own.bodyBytes = loaded.bodyBytes / loaded.requests;
    }
  return series;
}
