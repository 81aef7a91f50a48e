import { generatedBackupName, isCreatableName } from "../../access/backup-name.ts";
import { decidingPrincipal } from "../../access/lineage.ts";
import type { Preflight } from "../../archive/preflight.ts";
import type { Clock } from "../../base/clock.ts";
import type { Page, PageRequest } from "../../base/page.ts";
import { type Problem, problem } from "../../base/problem.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { isBackupKey } from "../../observing/backup-key.ts";
import { mayDecide } from "../../operations/approval.ts";
import type { Operation } from "../../operations/operation.ts";
import { deletePreview, type Preview, restorePreview } from "../../operations/preview.ts";
import { isRestore, type RestoreInput } from "../../operations/restore-data.ts";
import { bindingOf, lookBeforeRestore, preflightOver, refusalOf } from "../../operations/restore-preflight.ts";
import { undoable } from "../../operations/undo.ts";
import { wasSent } from "../../operations/work.ts";
import type { ListedBackup } from "../../upstream/backups-api.ts";
import { find, seenBy } from "../backups/commands.ts";
import type { Admitted, Handlers, Policies, RequestOptions } from "../caller.ts";
import type { MayUse } from "../claims.ts";
import type { Server } from "../server/server.ts";
import type { Operations, Request, RunDependencies } from "./engine.ts";
import type { IdempotentRequests } from "./idempotent-requests.ts";
import { actorOf, isOwn, isVisible, pendingApproval } from "./requester.ts";
import type { OperationFilter } from "./store.ts";

type Deps = {
  server: Server;
  operations: Operations;
  idempotent: IdempotentRequests;
  mayUse: MayUse;
  runDependencies: () => Promise<Result<RunDependencies, Problem>>;
  clock: Clock;
};

export type OperationCommands = {
  "backups.create": {
    /** `unreadable` holds what was wrong with the body: a busy server says that it is busy first, as PocketBase does. */
    input: RequestOptions & { name: string | null; unreadable: Problem | null };
    output: Operation;
  };
  "backups.delete": { input: RequestOptions & { key: string }; output: Operation };
  "backups.restore": { input: RequestOptions & { key: string; safetyBackup: boolean }; output: Operation };
  "backups.preflight": { input: { key: string }; output: Preflight };
  "operations.approve": { input: { id: string }; output: Operation };
  "operations.deny": { input: { id: string }; output: Operation };
  "operations.cancel": { input: { id: string }; output: Operation };
  "operations.undo": { input: RequestOptions & { id: string }; output: Operation };
  "operations.list": { input: PageRequest & OperationFilter; output: Page<Operation> };
  "operations.read": { input: { id: string; waitSeconds: number }; output: Operation };
};

export const operationPolicies: Policies<OperationCommands> = {
  "backups.create": { scope: "backups:create", target: "name", audit: true },
  "backups.delete": { scope: "backups:delete", target: "key", audit: true },
  "backups.restore": {
    scope: "backups:restore",
    // Without a safety backup there is no way back.
    also: ({ safetyBackup }) => (safetyBackup ? [] : ["backups:restore-unsafe"]),
    target: "key",
    audit: true,
  },
  "backups.preflight": { scope: "backups:restore", target: "key", audit: true, skipQuota: true },
  "operations.approve": { scope: "operations:approve", audit: true },
  "operations.deny": { scope: "operations:approve", audit: true },
  "operations.cancel": { scope: null, audit: true },
  "operations.undo": { scope: "backups:restore", audit: true },
  "operations.list": { scope: "operations:read", audit: false },
  "operations.read": { scope: null, audit: false },
};

/** Everything that becomes an operation, and what can be done with one. */
export function operationHandlers(deps: Deps): Handlers<OperationCommands> {
  const { server, operations, idempotent, mayUse, runDependencies, clock } = deps;

  /** Writes the row, and waits as long as the caller likes to. */
  const ask = async (
    request: Request,
    asked: RequestOptions,
    written: (operation: Operation) => void,
    until?: (operation: Operation) => boolean,
  ) => {
    const made = operations.request(request);
    if (!made.ok) return made;
    written(made.value);
    return ok((await operations.rows.wait(made.value.id, asked.waitSeconds, until)) ?? made.value);
  };
  const placed = (operation: Operation): Operation => ({ ...operation, ahead: operations.rows.place(operation) });
  const busy = ({ surface }: RequestOptions) => surface === "api" && operations.rows.line().length > 0;

  const inspected = async (key: string): Promise<Result<Preflight, Problem>> => {
    const work = await runDependencies();
    return work.ok ? lookBeforeRestore(work.value, key) : work;
  };

  const restore = async (
    found: ListedBackup,
    input: RestoreInput,
    asked: RequestOptions,
    admitted: Admitted,
    written: (operation: Operation) => void,
  ): Promise<Result<Operation, Problem>> => {
    let approval: Request["approval"] = null;
    let preview: Preview | null = null;
    if (admitted.needsApproval) {
      if (asked.surface === "api") return fail(problem("approval_required"));
      // What is asked for is looked into before somebody is bothered with it, and bound to what was seen.
      const looked = await inspected(found.key);
      if (!looked.ok) return looked;
      const refusal = refusalOf(looked.value);
      if (refusal) return fail(refusal);
      const binding = bindingOf(looked.value);
      const pending = pendingApproval(operations, admitted, binding, clock());
      if (!pending.ok) return pending;
      approval = pending.value;
      preview = restorePreview(looked.value, clock());
    }
    const request: Request = {
      kind: "restore",
      target: targetOf(found),
      actor: actorOf(admitted),
      approval,
      input,
      preview,
    };
    if (busy(asked)) return fail(problem("upstream_busy"));
    return ask(request, asked, written, asked.surface === "api" ? preflightOver : undefined);
  };

  /** What a deletion takes away, for whoever decides about it. */
  const lossOf = async (found: ListedBackup): Promise<Preview | null> => {
    const work = await runDependencies();
    const listing = work.ok ? await work.value.look() : work;
    if (!work.ok || !listing.ok) return null;
    const others = listing.value.items.filter(({ key }) => key !== found.key && isBackupKey(key));
    const newer = others.filter(({ modified }) => modified > found.modified);
    return deletePreview(work.value.madeBy(found), others.length, newer.length);
  };

  const decide = async (id: string, type: "granted" | "denied", admitted: Admitted) => {
    const operation = operations.rows.read(id);
    if (!operation || !isVisible(operation, admitted, "operations:approve"))
      return fail(problem("operation_not_found"));
    const principal = admitted.lineage ? decidingPrincipal(admitted.lineage[0]) : "administrator";
    const by = mayDecide(operation, principal, clock());
    if (!by.ok) return by;
    return operations.apply(id, { type, by: by.value, at: clock() }, actorOf(admitted));
  };

  return {
    "backups.create": (asked, admitted) =>
      idempotent.once(asked.idempotency, admitted, async (written) => {
        if (busy(asked)) return fail(problem("upstream_busy"));
        if (asked.unreadable) return fail(await busyFirst(server, asked.unreadable));
        const key = asked.name ?? generatedBackupName(await appName(server), clock());
        const creatable = isCreatableName(key);
        if (!creatable.ok) return fail(await busyFirst(server, creatable.error));
        if (!seenBy(admitted)(key)) return fail(problem("pattern_refused"));
        // Reading the server's name for itself may have let another caller in.
        if (busy(asked)) return fail(problem("upstream_busy"));
        return ask({ kind: "create", target: { key }, actor: actorOf(admitted), approval: null }, asked, written);
      }),

    "backups.delete": (asked, admitted) =>
      idempotent.once(asked.idempotency, admitted, async (written) => {
        const { key } = asked;
        if (admitted.needsApproval && asked.surface === "api") return fail(problem("approval_required"));
        const found = await find(server, key, "backup_deleted");
        if (!found.ok) return found;
        // Before anybody is bothered with it; the row is judged again when it is written.
        const inUse = mayUse("delete", key);
        if (inUse) return fail(inUse);
        const target = targetOf(found.value);
        const binding = admitted.needsApproval ? { ...target, directorySha256: null } : null;
        // Before the count of what waits: from there to the row nothing may come between.
        const preview = binding && (await lossOf(found.value));
        const approval = binding ? pendingApproval(operations, admitted, binding, clock()) : ok(null);
        if (!approval.ok) return approval;
        const request: Request = {
          kind: "delete",
          target,
          actor: actorOf(admitted),
          approval: approval.value,
          preview,
        };
        return ask(request, asked, written, ({ state }) => state === "awaiting_approval");
      }),

    "backups.restore": (asked, admitted) =>
      idempotent.once(asked.idempotency, admitted, async (written) => {
        if (busy(asked)) return fail(problem("upstream_busy"));
        const found = await find(server, asked.key, "backup_missing");
        if (!found.ok) return fail(await busyFirst(server, found.error));
        return restore(found.value, { safetyBackup: asked.safetyBackup, undoes: null }, asked, admitted, written);
      }),

    "backups.preflight": async ({ key }) => {
      const found = await find(server, key, "backup_missing");
      return found.ok || found.error.code === "backup_missing" ? inspected(key) : found;
    },

    "operations.approve": ({ id }, admitted) => decide(id, "granted", admitted),
    "operations.deny": ({ id }, admitted) => decide(id, "denied", admitted),

    "operations.cancel": ({ id }, admitted) => {
      const operation = operations.rows.read(id);
      const own = operation && (!admitted.lineage || isOwn(operation, admitted));
      return own ? operations.apply(id, { type: "canceled", at: clock() }) : fail(problem("operation_not_found"));
    },

    "operations.undo": (asked, admitted) =>
      idempotent.once(asked.idempotency, admitted, async (written) => {
        const operation = operations.rows.read(asked.id);
        if (!operation || !isVisible(operation, admitted, "operations:read"))
          return fail(problem("operation_not_found"));
        const sent = operations.rows.recent().filter((each) => isRestore(each) && wasSent(each));
        const safety = isRestore(operation) ? operation.data.safety : null;
        const looked = safety ? await inspected(safety.key) : null;
        const seen = looked?.ok ? bindingOf(looked.value) : null;
        const same = seen?.directorySha256 ? { ...seen, directorySha256: seen.directorySha256 } : null;
        const allowed = undoable(operation, sent.at(-1)?.id ?? "", same, clock());
        if (!allowed.ok) return allowed;
        if (!seen || !seenBy(admitted)(seen.key)) return fail(problem("pattern_refused"));
        return restore(seen, { safetyBackup: true, undoes: operation.id }, asked, admitted, written);
      }),

    "operations.list": ({ do: _do, ...request }, admitted) => {
      const { items, nextCursor } = operations.rows.list(request, (each) =>
        isVisible(each, admitted, "operations:read"),
      );
      return ok({ items: items.map(placed), nextCursor });
    },

    "operations.read": async ({ id, waitSeconds }, admitted) => {
      const operation = operations.rows.read(id);
      if (!operation || !isVisible(operation, admitted, "operations:read")) return fail(problem("operation_not_found"));
      return ok(placed((await operations.rows.wait(id, waitSeconds)) ?? operation));
    },
  };
}

const targetOf = ({ key, size, modified }: Pick<ListedBackup, "key" | "size" | "modified">) => ({
  key,
  size,
  modified,
});

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
