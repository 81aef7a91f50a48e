import { generatedBackupName, isCreatableName } from "../../access/backup-name.ts";
import type { Preflight } from "../../archive/preflight.ts";
import type { Clock } from "../../base/clock.ts";
import { type Problem, problem } from "../../base/problem.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { isBackupKey } from "../../observing/backup-key.ts";
import type { Judged } from "../../observing/newest.ts";
import type { Operation } from "../../operations/operation.ts";
import { deletePreview, type Preview, restorePreview } from "../../operations/preview.ts";
import { isRestore, type RestoreInput } from "../../operations/restore-data.ts";
import {
  bindingOf,
  type LookBeforeRestore,
  lookBeforeRestore,
  preflightOver,
  refusalOf,
} from "../../operations/restore-preflight.ts";
import { seenCopy, undoable } from "../../operations/undo.ts";
import { wasSent } from "../../operations/work.ts";
import type { ListedBackup } from "../../upstream/backups-api.ts";
import { find, seenBy } from "../backups/commands.ts";
import { pruning } from "../backups/pruning.ts";
import type { Admitted, Handlers, Policies, RequestOptions } from "../caller.ts";
import type { MayUse } from "../claims.ts";
import type { KeyStore } from "../keys/store.ts";
import { type Judge, versionOf } from "../observing/judge.ts";
import type { Server } from "../server/server.ts";
import { busyFirst } from "./busy.ts";
import type { OperationRequest, Operations, RunDependencies } from "./engine.ts";
import type { IdempotentRequests } from "./idempotent-requests.ts";
import { actorOf, isVisible, pendingApproval } from "./requester.ts";

export type RequestDeps = {
  server: Server;
  judge: Judge;
  operations: Operations;
  keys: KeyStore;
  idempotent: IdempotentRequests;
  mayUse: MayUse;
  runDependencies: () => Promise<Result<RunDependencies, Problem>>;
  clock: Clock;
};

export type RequestCommands = {
  "backups.create": {
    /** `unreadable` holds what was wrong with the body: a busy server says that it is busy first, as PocketBase does. */
    input: RequestOptions & { name: string | null; unreadable: Problem | null };
    output: Operation;
  };
  "backups.delete": { input: RequestOptions & { key: string }; output: Operation };
  "backups.restore": { input: RequestOptions & { key: string; safetyBackup: boolean }; output: Operation };
  "backups.preflight": { input: { key: string }; output: Preflight };
  "operations.undo": { input: RequestOptions & { id: string }; output: Operation };
};

/** SDKs take any 2xx for done, so on `/api` nothing waits for an approval. */
const onV1 = ({ surface }: RequestOptions): boolean => surface === "v1";

export const requestPolicies: Policies<RequestCommands> = {
  "backups.create": { scope: "backups:create", also: pruning, target: "name", audit: true },
  "backups.delete": { scope: "backups:delete", target: "key", audit: true, waitsForApproval: onV1 },
  "backups.restore": {
    scope: "backups:restore",
    // Without a safety backup it cannot be undone.
    also: ({ safetyBackup }) => (safetyBackup ? [] : ["backups:restore-unsafe"]),
    target: "key",
    audit: true,
    waitsForApproval: onV1,
  },
  "backups.preflight": { scope: "backups:restore", target: "key", audit: true, dryRun: true },
  "operations.undo": { scope: "backups:restore", audit: true, waitsForApproval: onV1 },
};

/** Called in the turn that writes the operation's row. */
type OnCreated = (operation: Operation) => void;

/** Everything that becomes an operation. */
export function requestHandlers(deps: RequestDeps): Handlers<RequestCommands> {
  const { server, judge, operations, idempotent, mayUse, runDependencies, clock } = deps;

  /** Writes the row, and waits for the end, or until `enough`, as long as the caller wants to. */
  const submit = async (
    request: Omit<OperationRequest, "actor" | "admitted">,
    admitted: Admitted,
    { waitSeconds }: RequestOptions,
    onCreated: OnCreated,
    enough?: (operation: Operation) => boolean,
  ): Promise<Result<Operation, Problem>> => {
    const { scopes, charged, lineage } = admitted;
    const created = operations.request({
      ...request,
      actor: actorOf(admitted),
      ...(lineage ? { admitted: { scopes, charged } } : {}),
    });
    if (!created.ok) return created;
    onCreated(created.value);
    return ok((await operations.rows.wait(created.value.id, waitSeconds, enough)) ?? created.value);
  };
  /** PocketBase refuses what cannot begin at once; `/v1` lets it wait in line. */
  const mustRefuse = ({ surface }: RequestOptions) => surface === "api" && operations.rows.line().length > 0;

  const inspect = async (key: string): Promise<Result<LookBeforeRestore, Problem>> => {
    const work = await runDependencies();
    return work.ok ? lookBeforeRestore(work.value, key) : work;
  };

  const restore = async (
    found: ListedBackup,
    input: RestoreInput,
    options: RequestOptions,
    admitted: Admitted,
    onCreated: OnCreated,
  ): Promise<Result<Operation, Problem>> => {
    let approval: OperationRequest["approval"] = null;
    let preview: Preview | null = null;
    if (admitted.needsApproval) {
      // The backup is inspected before anybody has to decide, and the approval is bound to what was seen.
      const inspected = await inspect(found.key);
      if (!inspected.ok) return inspected;
      const refusal = refusalOf(inspected.value);
      if (refusal) return fail(refusal);
      const pending = pendingApproval(operations, admitted, bindingOf(inspected.value.preflight), clock());
      if (!pending.ok) return pending;
      approval = pending.value;
      preview = restorePreview(inspected.value.preflight, clock());
    }
    if (mustRefuse(options)) return fail(problem("upstream_busy"));
    const request = { kind: "restore", target: targetOf(found), approval, input, preview };
    return submit(request, admitted, options, onCreated, options.surface === "api" ? preflightOver : undefined);
  };

  /** What a deletion takes away, for whoever decides about it. */
  const previewDelete = async (found: ListedBackup): Promise<Preview | null> => {
    const work = await runDependencies();
    const listing = work.ok ? await work.value.look() : work;
    if (!work.ok || !listing.ok) return null;
    const others = listing.value.items.filter(({ key }) => key !== found.key && isBackupKey(key));
    const since = judge.of(versionOf(found)).madeAt.at;
    // Only those are judged, which reads what was found in them, that may be newer at all.
    const candidates = others.map(versionOf).filter((other) => judge.latestAt(other) > since);
    const newer = candidates.map((other) => judge.of(other)).filter((other) => isNewer(other, since));
    return deletePreview(work.value.madeBy(found), others.length, newer.length);
  };

  return {
    "backups.create": (options, admitted) =>
      idempotent.once(options.idempotency, admitted, async (onCreated) => {
        if (mustRefuse(options)) return fail(problem("upstream_busy"));
        if (options.unreadable) return fail(await busyFirst(server, options.unreadable));
        const key = options.name ?? generatedBackupName(await appName(server), clock());
        const creatable = isCreatableName(key);
        if (!creatable.ok) return fail(await busyFirst(server, creatable.error));
        if (!seenBy(admitted)(key)) return fail(problem("pattern_refused"));
        // While the server was asked for its name another request may have been written.
        if (mustRefuse(options)) return fail(problem("upstream_busy"));
        return submit({ kind: "create", target: { key }, approval: null }, admitted, options, onCreated);
      }),

    "backups.delete": (options, admitted) =>
      idempotent.once(options.idempotency, admitted, async (onCreated) => {
        const { key } = options;
        const found = await find(server, key, "backup_deleted");
        // What is being made is not listed yet.
        if (!found.ok) return fail((found.error.code === "backup_deleted" && mayUse("delete", key)) || found.error);
        // Asked again when the row is written: the preview takes a request to the server.
        const refused = mayUse("delete", key);
        if (refused) return fail(refused);
        const target = targetOf(found.value);
        const binding = admitted.needsApproval ? { ...target, directorySha256: null } : null;
        const preview = binding && (await previewDelete(found.value));
        // Nothing is awaited from here to the row, or more requests could wait for approval than may.
        const approval = pendingApproval(operations, admitted, binding, clock());
        if (!approval.ok) return approval;
        const request = { kind: "delete", target, approval: approval.value, preview };
        return submit(request, admitted, options, onCreated, ({ state }) => state === "awaiting_approval");
      }),

    "backups.restore": (options, admitted) =>
      idempotent.once(options.idempotency, admitted, async (onCreated) => {
        if (mustRefuse(options)) return fail(problem("upstream_busy"));
        const found = await find(server, options.key, "backup_missing");
        if (!found.ok) return fail(await busyFirst(server, found.error));
        return restore(found.value, { safetyBackup: options.safetyBackup, undoes: null }, options, admitted, onCreated);
      }),

    "backups.preflight": async ({ key }) => {
      const found = await find(server, key, "backup_missing");
      if (!found.ok && found.error.code !== "backup_missing") return found;
      const inspected = await inspect(key);
      return inspected.ok ? ok(inspected.value.preflight) : inspected;
    },

    "operations.undo": (options, admitted) =>
      idempotent.once(options.idempotency, admitted, async (onCreated) => {
        const operation = operations.rows.read(options.id);
        if (!operation || !isVisible(operation, admitted, "operations:read"))
          return fail(problem("operation_not_found"));
        const safety = isRestore(operation) ? operation.data.safety : null;
        const inspected = safety ? await inspect(safety.key) : null;
        const sent = operations.rows.recent().filter((each) => isRestore(each) && wasSent(each));
        const seen = inspected?.ok ? seenCopy(inspected.value) : (inspected ?? ok(null));
        const allowed = undoable(operation, sent.at(-1)?.id ?? "", seen, clock());
        if (!allowed.ok) return allowed;
        if (!seenBy(admitted)(allowed.value.key)) return fail(problem("pattern_refused"));
        return restore(allowed.value, { safetyBackup: true, undoes: operation.id }, options, admitted, onCreated);
      }),
  };
}

const isNewer = ({ madeAt, noBackup }: Judged, since: number) => noBackup === null && madeAt.at > since;

const targetOf = ({ key, size, modified }: Pick<ListedBackup, "key" | "size" | "modified">) => ({
  key,
  size,
  modified,
});

/** The application's name, which generated names of backups begin with; null when it is not known. */
async function appName(server: Server): Promise<string | null> {
  const connected = await server.connect();
  if (!connected.ok) return null;
  const settings = await connected.value.session.settings();
  return settings.ok ? settings.value.appName : null;
}
