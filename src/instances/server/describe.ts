import type { Clock } from "../../base/clock.ts";
import { isoTime } from "../../base/clock.ts";
import { serverTimeText } from "../../base/server-time.ts";
import { type Judge, versionOf } from "../observing/judge.ts";
import type { Server } from "./server.ts";
import type { Configuration } from "./store.ts";
import type { InstanceView } from "./view.ts";

type Deps = {
  configuration: Configuration;
  server: Server;
  judge: Judge;
  /** Ids of the endpoints that may still need a former ENCRYPTION_KEY. */
  endpointsToReseal: () => Promise<readonly string[]>;
  clock: Clock;
};

/** Answers the instance as an administrator sees it, its endpoints' sealed values counted in. */
export const describer =
  ({ configuration, server, judge, endpointsToReseal, clock }: Deps) =>
  async (): Promise<InstanceView> => {
    const own = await configuration.view(await newestBackup({ server, judge, clock }));
    const { length } = await endpointsToReseal();
    return { ...own, leftToReseal: own.leftToReseal + length };
  };

async function newestBackup(deps: Pick<Deps, "server" | "judge" | "clock">): Promise<InstanceView["newestBackup"]> {
  const connected = await deps.server.connect();
  const listed = connected.ok ? connected.value.listings.last() : null;
  // An object that just woke has listed nothing yet; what it told of before is stored.
  const newest = listed ? deps.judge.newest(listed.map(versionOf)).newest : deps.judge.newestTold();
  if (!newest) return null;
  const { key, modified, madeAt } = newest;
  const ageSeconds = Math.max(0, Math.round((deps.clock() - madeAt.at) / 1000));
  // As the server states it, where it was listed.
  const stated =
    listed?.find((each) => each.key === key)?.modified ?? (modified === null ? "" : serverTimeText(modified));
  return { key, modified: stated, ageSeconds, madeAt: isoTime(madeAt.at), madeAtBy: madeAt.by };
}
