import { inspectArchive } from "../archive/inspection.ts";
import { type Preflight, preflight } from "../archive/preflight.ts";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { entryOf } from "../upstream/backups-api.ts";
import type { Binding, Operation } from "./operation.ts";
import type { Work } from "./work.ts";

type Looking = Pick<Work, "api" | "look" | "reader" | "madeBy" | "madeAt" | "credential">;

/** What was seen, and by check why something could not be: a look that failed says nothing about the backup. */
export type LookBeforeRestore = { preflight: Preflight; unseen: { [check: string]: Problem | undefined } };

/** Looks at everything that decides whether a backup may be restored; changes nothing on the server. */
export async function lookBeforeRestore(work: Looking, key: string): Promise<Result<LookBeforeRestore, Problem>> {
  const health = await work.api.health();
  const listed = async () => {
    const listing = await work.look();
    return listing.ok ? entryOf(listing.value.items, key) : fail(listing.error.problem);
  };
  let entry = await listed();
  // One list without it may be an old one.
  if (entry.ok && !entry.value) entry = await listed();
  if (!entry.ok) return entry;
  const found = entry.value;
  const flavour = health.ok ? health.value.flavour : "unknown";
  const backup = found ? { key: found.key, size: found.size, modified: found.modified } : null;
  const inspection = backup && (await inspectArchive(work.reader(backup), backup.size, flavour));
  return ok({
    preflight: preflight({
      backup,
      made: backup && work.madeAt(backup, inspection?.ok ? inspection.value.newestEntry : null),
      idle: health.ok ? health.value.idle : null,
      inspection,
      credentialSince: work.credential.since,
      madeBy: backup ? work.madeBy(backup) : { kind: "unknown" },
      flavour,
    }),
    unseen: {
      idle: health.ok ? undefined : health.error.problem,
      archive: inspection && !inspection.ok ? inspection.error : undefined,
    },
  });
}

/** What a later look must find unchanged; null when the preflight found nothing to bind to. */
export function bindingOf({ backup, archive }: Preflight): Binding | null {
  return backup && archive ? { ...backup, directorySha256: archive.directorySha256 } : null;
}

/** The refusal of the first check that forbids the restore; a busy server is refused with PocketBase's own error. */
export function refusalOf({ preflight: { checks }, unseen }: LookBeforeRestore): Problem | null {
  const failed = checks.find(({ ok: good, severity }) => !good && severity === "refuse");
  if (!failed) return null;
  const notSeen = unseen[failed.name];
  if (notSeen) return notSeen;
  if (failed.name === "flavour") return problem("restore_files_only");
  return problem(failed.name === "idle" ? "upstream_busy" : "preflight_refused", { hint: failed.message });
}

/** PocketBase answers before it starts; here its 204 comes when the preflight has found nothing against the restore. */
export const preflightOver = ({ steps }: Operation): boolean =>
  steps.some(({ name, state }) => name === "preflight" && state === "done");
