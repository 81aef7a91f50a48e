import { inspectArchive } from "../archive/inspection.ts";
import { type Preflight, preflight } from "../archive/preflight.ts";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { readServerTime } from "../base/server-time.ts";
import type { Binding, Operation } from "./operation.ts";
import type { Work } from "./work.ts";

type Looking = Pick<Work, "api" | "look" | "reader" | "madeBy" | "credential">;

/** Looks at everything that decides whether a backup may be restored; changes nothing on the server. */
export async function lookBeforeRestore(work: Looking, key: string): Promise<Result<Preflight, Problem>> {
  const health = await work.api.health();
  const listing = await work.look();
  if (!listing.ok) return fail(listing.error.problem);
  const found = listing.value.items.find((item) => item.key === key);
  const flavour = health.ok ? health.value.flavour : "unknown";
  const backup = found ? { key: found.key, size: found.size, modified: found.modified } : null;
  return ok(
    preflight({
      backup,
      made: backup && readServerTime(backup.modified),
      idle: health.ok ? health.value.idle : null,
      inspection: backup && (await inspectArchive(work.reader(backup), backup.size, flavour)),
      credentialSince: work.credential.since,
      madeBy: backup ? work.madeBy(backup) : { kind: "unknown" },
      flavour,
    }),
  );
}

/** What a later look must find unchanged; null when the preflight found nothing to bind to. */
export function bindingOf({ backup, archive }: Preflight): Binding | null {
  return backup && archive ? { ...backup, directorySha256: archive.directorySha256 } : null;
}

/** The refusal of the first check that forbids the restore; a busy server is refused with PocketBase's own error. */
export function refusalOf({ checks }: Preflight): Problem | null {
  const failed = checks.find(({ ok: good, severity }) => !good && severity === "refuse");
  if (!failed) return null;
  if (failed.name === "flavour") return problem("restore_files_only");
  return problem(failed.name === "idle" ? "upstream_busy" : "preflight_refused", { hint: failed.message });
}

/** PocketBase answers before it starts; here its 204 comes when the preflight has found nothing against the restore. */
export const preflightOver = ({ steps }: Operation): boolean =>
  steps.some(({ name, state }) => name === "preflight" && state === "done");
