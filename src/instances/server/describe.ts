import type { Clock } from "../../base/clock.ts";
import { modifiedAt } from "../backups/view.ts";
import type { Server } from "./server.ts";
import type { Configuration } from "./store.ts";
import type { InstanceView } from "./view.ts";

type Deps = {
  configuration: Configuration;
  server: Server;
  /** Ids of the endpoints that may still need a former ENCRYPTION_KEY. */
  endpointsToReseal: () => Promise<readonly string[]>;
  clock: Clock;
};

/** Answers the instance as an administrator sees it, its endpoints' sealed values counted in. */
export const describer =
  ({ configuration, server, endpointsToReseal, clock }: Deps) =>
  async (): Promise<InstanceView> => {
    const own = await configuration.view(await newestBackup(server, clock));
    const { length } = await endpointsToReseal();
    return { ...own, leftToReseal: own.leftToReseal + length };
  };

async function newestBackup(server: Server, clock: Clock): Promise<InstanceView["newestBackup"]> {
  const connected = await server.connect();
  const newest = connected.ok ? connected.value.listings.newest() : null;
  if (!newest) return null;
  const { key, modified } = newest;
  return { key, modified, ageSeconds: Math.max(0, Math.round((clock() - modifiedAt(modified)) / 1000)) };
}
