import { generatedBackupName, isCreatableName } from "../access/backup-name.ts";
import { visibility } from "../access/lineage.ts";
import { matcher } from "../access/pattern.ts";
import { type BackupView, backupView, modifiedAt, pageOf } from "../backups/view.ts";
import type { Clock } from "../base/clock.ts";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { OperationActor } from "../operations/operation.ts";
import type { ListedBackup } from "../upstream/backups-api.ts";
import type { Admitted, Handlers } from "./commands.ts";
import type { Observer } from "./observer.ts";
import type { Operations } from "./operations.ts";
import type { Server } from "./server.ts";
import type { Transfers } from "./transfers.ts";
import type { Verdicts } from "./verdicts.ts";

type Deps = {
  server: Server;
  operations: Operations;
  transfers: Transfers;
  verdicts: Verdicts;
  observer: Observer;
  clock: Clock;
};
type BackupCommand =
  | "health.read"
  | "backups.list"
  | "backups.page"
  | "backups.latest"
  | "backups.create"
  | "backups.delete"
  | "backups.restore"
  | "operations.list"
  | "operations.read";

const actorOf = ({ actor, lineage }: Admitted): OperationActor => ({
  kind: actor.kind,
  ...(actor.id ? { id: actor.id } : {}),
  ...(actor.name ? { name: actor.name } : {}),
  ...(lineage ? { principal: lineage[0].principal } : {}),
});

const seenBy = (admitted: Admitted): ((key: string) => boolean) =>
  admitted.lineage ? visibility(admitted.lineage) : () => true;

/** Listing, making, deleting and restoring backups. */
export function backupHandlers({
  server,
  operations,
  transfers,
  verdicts,
  observer,
  clock,
}: Deps): Handlers<BackupCommand> {
  const list = async (admitted: Admitted): Promise<Result<ListedBackup[], Problem>> => {
    const connected = await server.connect();
    if (!connected.ok) return connected;
    const listing = await connected.value.snapshot.look();
    if (!listing.ok) return fail(listing.error.problem);
    return ok(listing.value.items.filter(({ key }) => seenBy(admitted)(key)));
  };

  const shown = (backup: ListedBackup): BackupView => {
    const verdict = verdicts.read(backup.key);
    const { verified, reason } = verdict?.size === backup.size ? verdict : { verified: "no" as const, reason: null };
    return backupView(backup, { firstSeen: observer.firstSeen(backup.key), verified, reason });
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
      return ok(pageOf(listed.value.map(shown), { limit, cursor, sort }));
    },

    "backups.latest": async ({ pattern, maxAgeSeconds }, admitted) => {
      const listed = await list(admitted);
      if (!listed.ok) return listed;
      const wanted = matcher([pattern ?? "*"]);
      const [newest] = listed.value
        .filter(({ key }) => wanted(key) && !key.endsWith(".tmp"))
        .sort((one, other) => modifiedAt(other.modified) - modifiedAt(one.modified));
      if (!newest) return fail(problem("backup_not_found"));
      const ageSeconds = (clock() - modifiedAt(newest.modified)) / 1000;
      if (maxAgeSeconds === null || ageSeconds <= maxAgeSeconds) return ok(shown(newest));
      return fail(
        problem("backup_overdue", {
          message: `The newest backup is ${Math.round(ageSeconds)} s old and may be ${maxAgeSeconds} s old.`,
        }),
      );
    },

    "backups.create": async ({ name, unreadable, waitSeconds }, admitted) => {
      if (operations.holder()) return fail(problem("upstream_busy"));
      if (unreadable) return fail(await busyFirst(server, unreadable));
      const key = name ?? generatedBackupName(await appName(server), clock());
      const creatable = isCreatableName(key);
      if (!creatable.ok) return fail(await busyFirst(server, creatable.error));
      if (!seenBy(admitted)(key)) return fail(problem("pattern_refused"));
      if (transfers.holds(key)) return fail(problem("upload_reserved", { data: nameExists }));
      // Reading the server's name for itself may have let another caller in.
      if (operations.holder()) return fail(problem("upstream_busy"));
      const operation = operations.start("create", { key }, actorOf(admitted));
      return ok((await operations.wait(operation.id, waitSeconds)) ?? operation);
    },

    "backups.delete": async ({ key, waitSeconds }, admitted) => {
      const found = await find(server, key, "backup_deleted");
      if (!found.ok) return found;
      const holder = operations.holder();
      if (holder?.target.key === key) return fail(problem("backup_in_use"));
      if (operations.active().some((each) => each.kind === "delete" && each.target.key === key))
        return fail(problem("backup_in_use"));
      const operation = operations.start("delete", targetOf(found.value), actorOf(admitted));
      return ok((await operations.wait(operation.id, waitSeconds)) ?? operation);
    },

    "backups.restore": async ({ key, waitSeconds }, admitted) => {
      if (operations.holder()) return fail(problem("upstream_busy"));
      const found = await find(server, key, "backup_missing");
      if (!found.ok) return fail(await busyFirst(server, found.error));
      if (operations.holder()) return fail(problem("upstream_busy"));
      const operation = operations.start("restore", targetOf(found.value), actorOf(admitted));
      const ended = (await operations.wait(operation.id, waitSeconds)) ?? operation;
      return ended.state === "failed" && ended.error ? fail(ended.error) : ok(ended);
    },

    "operations.list": ({ do: _do, ...request }, admitted) =>
      ok(operations.list(request, (operation) => isVisible(operation.target.key, operation.actor, admitted))),

    "operations.read": async ({ id, waitSeconds }, admitted) => {
      const operation = operations.read(id);
      if (!operation || !isVisible(operation.target.key, operation.actor, admitted, true))
        return fail(problem("operation_not_found"));
      return ok((await operations.wait(id, waitSeconds)) ?? operation);
    },
  };
}

const nameExists = {
  name: { code: "validation_backup_name_exists", message: "The backup file name is invalid or already exists." },
};

/** One's own operations need no scope; those of others need `operations:read` and a name one may see. */
function isVisible(key: string, actor: OperationActor, admitted: Admitted, single = false): boolean {
  if (!admitted.lineage) return true;
  if (actor.kind === "key" && actor.id === admitted.lineage[0].id) return true;
  const reads = admitted.lineage.every((level) => level.scopes.includes("operations:read"));
  return (reads || !single) && reads && seenBy(admitted)(key);
}

const targetOf = ({ key, size, modified }: ListedBackup) => ({ key, size, modified });

/** The entry, byte for byte in the list, with one fresh look on a miss; else the problem the call answers for a missing one. */
export async function find(
  server: Server,
  key: string,
  missing: "backup_deleted" | "backup_missing" | "backup_not_found",
): Promise<Result<ListedBackup, Problem>> {
  const connected = await server.connect();
  if (!connected.ok) return connected;
  const found = await connected.value.snapshot.find(key);
  if (!found.ok) return fail(found.error.problem);
  return found.value ? ok(found.value) : fail(problem(missing));
}

/** PocketBase looks at its lock before it looks at what is asked, so a caller of a busy server hears that it is busy. */
async function busyFirst(server: Server, refused: Problem): Promise<Problem> {
  const connected = await server.connect();
  if (!connected.ok) return refused;
  const health = await connected.value.session.health();
  return health.ok && health.value.idle === false ? problem("upstream_busy") : refused;
}

/** The name the server generates backups by; null when it does not tell, and then the generated name has none. */
async function appName(server: Server): Promise<string | null> {
  const connected = await server.connect();
  if (!connected.ok) return null;
  const settings = await connected.value.session.settings();
  return settings.ok ? settings.value.appName : null;
}
