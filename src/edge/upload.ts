import { checkNewName, isCreatableName } from "../access/backup-name.ts";
import { systemClock } from "../base/clock.ts";
import { type Problem, problem } from "../base/problem.ts";
import { secureRandom } from "../base/random.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { systemSleep } from "../base/sleep.ts";
import { onPlainWorkerd } from "../bindings.ts";
import { discardBody } from "../http/discard.ts";
import { backupView } from "../instances/backups/view.ts";
import { instanceOf } from "../instances/stub.ts";
import { upload } from "../transfers/upload.ts";
import type { ListedBackup } from "../upstream/backups-api.ts";
import { perform } from "./ask.ts";
import { type AppContext, refuse } from "./context.ts";
import { type ResolvedCaller, resolveCaller } from "./resolve-caller.ts";

/** A caller who may not upload is refused before anything is said about the body. */
async function uploader(c: AppContext): Promise<Result<ResolvedCaller, Problem>> {
  const resolved = await resolveCaller(c);
  if (!resolved.ok) return resolved;
  const asked = await perform(c, resolved.value, { do: "upload.ask" });
  return asked.ok ? resolved : asked;
}

/** `POST /api/backups/upload`: the form as PocketBase takes it. */
export async function uploadBackup(c: AppContext): Promise<Response> {
  const resolved = await uploader(c);
  if (!resolved.ok) return refuseUnread(c, resolved.error);
  const stored = await new UploadSession(c, resolved.value, false).take({ form: "multipart" });
  return stored.ok ? c.body(null, 204) : refuse(c, stored.error);
}

/** `PUT /v1/backups/{key}`: the bare file, as `curl -T` sends it. */
export async function uploadRaw(c: AppContext, key: Result<string, Problem>): Promise<Response> {
  const resolved = await uploader(c);
  if (!resolved.ok) return refuseUnread(c, resolved.error);
  if (!key.ok) return refuseUnread(c, key.error);
  const stored = await new UploadSession(c, resolved.value, true).take({ form: "raw", name: key.value });
  if (!stored.ok) return refuse(c, asConflict(stored.error));
  const unseen = {
    madeAt: null,
    firstSeen: null,
    actor: null,
    operation: null,
    verified: "pending" as const,
    level: null,
    reason: null,
  };
  return c.json(backupView(stored.value, unseen), 201);
}

/** The body is read first: a client that is still sending would see a broken connection instead of the answer. */
async function refuseUnread(c: AppContext, problem: Problem): Promise<Response> {
  await discardBody(c.req.raw.body, systemClock, systemSleep);
  return refuse(c, problem);
}

/** A name that was taken during the upload is refused like one that was taken before it. */
const asConflict = (refused: Problem): Problem =>
  refused.code === "backup_name_exists" ? { ...refused, code: "backup_conflict" } : refused;

/** One upload. The instance checks the caller's rights before the first byte and once more before the last. */
class UploadSession {
  private readonly c: AppContext;
  private readonly resolved: ResolvedCaller;
  /** With the naming rules of a create and 409 for a taken name, as `/v1` has them; otherwise with PocketBase's. */
  private readonly strict: boolean;
  private reserved: { reservation: string; name: string } | null = null;

  constructor(c: AppContext, resolved: ResolvedCaller, strict: boolean) {
    this.c = c;
    this.resolved = resolved;
    this.strict = strict;
  }

  take(form: { form: "multipart" } | { form: "raw"; name: string }): Promise<Result<ListedBackup, Problem>> {
    const { c, resolved } = this;
    const { headers, body, signal } = c.req.raw;
    const taken = upload<ListedBackup>({
      ...form,
      request: { headers, body, signal },
      check: (name) => (this.strict ? isCreatableName(name) : checkNewName(name)),
      reserve: async (name, size) => {
        const reserved = await perform(c, resolved, { do: "upload.reserve", name, size, strict: this.strict });
        if (!reserved.ok) return reserved;
        this.reserved = { reservation: reserved.value.reservation, name };
        return ok({ access: reserved.value.access });
      },
      confirm: async () => {
        if (this.reserved === null) return fail(problem("upload_interrupted"));
        return perform(c, resolved, { do: "upload.confirm", reservation: this.reserved.reservation });
      },
      settle: async (end, last) => {
        if (this.reserved === null) return fail(end.problem ?? problem("upload_interrupted"));
        const instance = instanceOf(c.env, resolved.instanceId);
        return (await instance.settleUpload({ ...this.reserved, ...end, last })) as Result<ListedBackup, Problem>;
      },
      metered: !onPlainWorkerd(c.env),
      fetch: (input, init) => fetch(input, init),
      clock: systemClock,
      sleep: systemSleep,
      random: secureRandom,
    });
    // The upload is settled even when the client has left.
    c.executionCtx.waitUntil(taken.catch(() => undefined));
    return taken;
  }
}
