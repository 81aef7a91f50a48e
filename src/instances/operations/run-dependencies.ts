import type { Problem } from "../../base/problem.ts";
import { ok, type Result } from "../../base/result.ts";
import type { Reach } from "../../operations/work.ts";
import type { BackupOrigins } from "../ledger/backup-origins.ts";
import { type Judge, versionOf } from "../observing/judge.ts";
import type { Connected, Server } from "../server/server.ts";
import type { Configuration } from "../server/store.ts";
import type { RunDependencies } from "./engine.ts";

type Deps = { configuration: Configuration; server: Server; origins: BackupOrigins; judge: Judge };

/** Makes what a run may use of the instance; the facts about its credential are as they are when the run begins. */
export function runDependenciesOf({ configuration, server, origins, judge }: Deps) {
  const reach = ({ session, listings, reader }: Connected): Reach => ({
    api: session,
    look: () => listings.lookNow(),
    reader,
  });
  return async (): Promise<Result<RunDependencies, Problem>> => {
    const connected = await server.connect();
    if (!connected.ok) return connected;
    return ok({
      ...reach(connected.value),
      madeBy: (backup) => origins.madeBy(backup),
      madeAt: (backup, newestEntry) => judge.madeAt(versionOf(backup), newestEntry),
      credential: configuration.credentialFacts(),
      tryPreviousCredential: async () => {
        const tried = await server.tryPrevious();
        if (tried !== "taken") return tried;
        const reconnected = await server.connect();
        return reconnected.ok ? reach(reconnected.value) : "refused";
      },
    });
  };
}
