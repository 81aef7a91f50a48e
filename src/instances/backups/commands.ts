import { visibility } from "../../access/lineage.ts";
import type { Clock } from "../../base/clock.ts";
import type { Page, PageRequest } from "../../base/page.ts";
import { type Problem, problem } from "../../base/problem.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import type { Health, ListedBackup } from "../../upstream/backups-api.ts";
import type { Admitted, Handlers, Policies } from "../caller.ts";
import type { BackupOrigins } from "../ledger/backup-origins.ts";
import { type Judge, versionOf } from "../observing/judge.ts";
import type { Observer } from "../observing/observer.ts";
import type { Server } from "../server/server.ts";
import { type NewestRequest, NO_BACKUP, newestFor } from "./newest.ts";
import type { BackupOrder, LatestBackup } from "./view.ts";
import { type BackupView, backupView, pageOf } from "./view.ts";

type Deps = {
  server: Server;
  judge: Judge;
  observer: Observer;
  origins: BackupOrigins;
  clock: Clock;
};

export type BackupCommands = {
  "health.read": { input: object; output: Health };
  "backups.list": { input: object; output: ListedBackup[] };
  "backups.page": { input: PageRequest & { sort: BackupOrder }; output: Page<BackupView> };
  "backups.latest": { input: NewestRequest; output: LatestBackup };
  /** The same for a caller who is about to download it; the right to list is not needed for that. */
  "download.latest": { input: NewestRequest; output: LatestBackup };
};

export const backupPolicies: Policies<BackupCommands> = {
  "health.read": { scope: null, audit: false },
  "backups.list": { scope: "backups:list", audit: false },
  "backups.page": { scope: "backups:list", audit: false },
  "backups.latest": { scope: "backups:list", audit: false },
  "download.latest": { scope: "backups:download", audit: false, continuation: true },
};

/** Which backup keys exist for the caller. */
export const seenBy = (admitted: Admitted): ((key: string) => boolean) =>
  admitted.lineage ? visibility(admitted.lineage) : () => true;

/** Reading the server's health and its backups. */
export function backupHandlers({ server, judge, observer, origins, clock }: Deps): Handlers<BackupCommands> {
  const list = async (admitted: Admitted): Promise<Result<ListedBackup[], Problem>> => {
    const connected = await server.connect();
    if (!connected.ok) return connected;
    const listing = await connected.value.listings.look();
    if (!listing.ok) return fail(listing.error.problem);
    const visible = seenBy(admitted);
    return ok(listing.value.items.filter(({ key }) => visible(key)));
  };

  const shown = (backup: ListedBackup): BackupView => {
    const version = versionOf(backup);
    const found = judge.verification(version);
    const { madeAt, verified, noBackup } = judge.of(version, found);
    const { level, reason } = found ?? { level: null, reason: null };
    const { actor, operation } = origins.of(backup) ?? { actor: null, operation: null };
    return backupView(backup, {
      madeAt,
      firstSeen: observer.firstSeen(backup.key),
      actor,
      operation,
      verified,
      level: level ?? null,
      reason: reason ?? (noBackup && NO_BACKUP[noBackup]),
    });
  };

  const latest = async (request: NewestRequest, admitted: Admitted): Promise<Result<LatestBackup, Problem>> => {
    const listed = await list(admitted);
    if (!listed.ok) return listed;
    const found = newestFor(listed.value, request, judge, clock());
    if (!found.ok) return found;
    const { newest, skipped } = found.value;
    return ok({ ...shown(newest.listed), skipped: skipped.map(({ listed }) => shown(listed)) });
  };

  return {
    "health.read": async () => {
      const connected = await server.connect();
      if (!connected.ok) return connected;
      const health = await connected.value.session.health();
      return health.ok ? health : fail(health.error.problem);
    },

    "backups.list": (_input, admitted) => list(admitted),

    "backups.page": async ({ limit, cursor, sort }, admitted) => {
      const listed = await list(admitted);
      if (!listed.ok) return listed;
      const { items, nextCursor } = pageOf(listed.value, { limit, cursor, sort });
      return ok({ items: items.map(shown), nextCursor });
    },

    "backups.latest": latest,
    "download.latest": latest,
  };
}

/**
 * The entry, byte for byte in the list, with one fresh list on a miss; else the problem that the caller chose for a
 * missing one.
 */
export async function find(
  server: Server,
  key: string,
  missing: "backup_deleted" | "backup_missing" | "backup_not_found",
): Promise<Result<ListedBackup, Problem>> {
  const connected = await server.connect();
  if (!connected.ok) return connected;
  const found = await connected.value.listings.find(key);
  if (!found.ok) return fail(found.error.problem);
  return found.value ? ok(found.value) : fail(problem(missing));
}
