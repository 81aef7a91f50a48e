import { backupKeyIn } from "../access/backup-name.ts";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { refusalBeforeBody } from "../edge/ask.ts";
import { type AppContext, refuse } from "../edge/context.ts";
import type { RequestOptions } from "../instances/caller.ts";
import { isFinal, outcome } from "../operations/operation.ts";
import { preflightOver } from "../operations/restore-preflight.ts";
import { bindBody } from "./bound-body.ts";
import { answerFields } from "./fields.ts";
import type { Handle } from "./route.ts";

/** SDKs and proxies wait about this long for a create. A slower one is answered with where to look. */
const CREATE_WAIT_SECONDS = 100;
const SHORT_WAIT_SECONDS = 60;

/** PocketBase's clients know neither a queue nor idempotency keys. */
const options = (waitSeconds: number): RequestOptions => ({ waitSeconds, surface: "api", idempotency: null });

export const listBackups: Handle<"backups.list"> = async (c, { ask }) => {
  const listed = await ask("backups.list", {});
  return listed.ok ? answerFields(c, listed.value) : refuse(c, listed.error);
};

const BODY_HINT = 'Send {"name":"my_backup.zip"} as application/json, or no body at all for a generated name.';

/** The name in the body of a create; null when the server shall make one up. Whether it is allowed is the instance's to say. */
async function requestedName(request: Request): Promise<Result<string | null, Problem>> {
  const bound = await bindBody(request);
  if (!bound.ok && bound.error === "too_large") return fail(problem("body_too_large"));
  const name = bound.ok ? (bound.value("name") ?? "") : null;
  if (typeof name === "string") return ok(name || null);
  const message = "An error occurred while loading the submitted data.";
  return fail(problem("invalid_request", { message, hint: BODY_HINT }));
}

export const createBackup: Handle<"backups.create"> = async (c, { caller, ask }) => {
  const resolved = await caller();
  if (!resolved.ok) return refuse(c, resolved.error);
  const refusal = await refusalBeforeBody(c);
  if (refusal) return refuse(c, refusal);
  const name = await requestedName(c.req.raw);
  const created = await ask("backups.create", {
    name: name.ok ? name.value : null,
    unreadable: name.ok ? null : name.error,
    ...options(CREATE_WAIT_SECONDS),
  });
  if (!created.ok) return refuse(c, created.error);
  if (!isFinal(created.value)) return stillBeingMade(c, created.value.id);
  const ended = outcome(created.value);
  return ended.ok ? c.body(null, 204) : refuse(c, ended.error);
};

export const deleteBackup: Handle<"backups.delete"> = async (c, { caller, ask }) => {
  const resolved = await caller();
  if (!resolved.ok) return refuse(c, resolved.error);
  const key = backupKeyIn(c.req.url);
  if (!key.ok) return refuse(c, key.error);
  const deleted = await ask("backups.delete", { key: key.value, ...options(SHORT_WAIT_SECONDS) });
  if (!deleted.ok) return refuse(c, deleted.error);
  const ended = outcome(deleted.value);
  return ended.ok ? c.body(null, 204) : refuse(c, ended.error);
};

export const restoreBackup: Handle<"backups.restore"> = async (c, { caller, ask }) => {
  const resolved = await caller();
  if (!resolved.ok) return refuse(c, resolved.error);
  const key = backupKeyIn(c.req.url);
  if (!key.ok) return refuse(c, key.error);
  const restored = await ask("backups.restore", {
    key: key.value,
    safetyBackup: true,
    ...options(SHORT_WAIT_SECONDS),
  });
  if (!restored.ok) return refuse(c, restored.error);
  if (!isFinal(restored.value) && preflightOver(restored.value)) return c.body(null, 204);
  const ended = outcome(restored.value);
  return ended.ok ? c.body(null, 204) : refuse(c, ended.error);
};

/** The only 202 on `/api`: a slow create has not failed, and a second request would be refused while it runs. */
function stillBeingMade(c: AppContext, id: string): Response {
  c.header("location", `/v1/operations/${id}`);
  c.header("retry-after", "5");
  return c.json(
    { operation: id, hint: "The server is still making the backup; the operation tells how it ends." },
    202,
  );
}
