import * as z from "zod";
import { CRON_PREFIX } from "../access/backup-name.ts";
import { isoTime } from "../base/clock.ts";
import type { Problem } from "../base/problem.ts";
import { problems } from "../base/problems.ts";
import type { Result } from "../base/result.ts";
import { binarySizeInWords } from "./entry-name.ts";
import { type ArchiveCheckName, archiveCheckNames, asOfServer, severities } from "./finding.ts";
import type { Flavour } from "./flavour.ts";
import { type ArchiveFacts, ArchiveFactsSchema, type ArchiveInspection } from "./inspection.ts";
import { MADE_AT_BY, type MadeAt, madeAtKinds } from "./made.ts";

const CheckSchema = z.object({
  name: z.enum(["exists", "idle", "flavour", ...archiveCheckNames, "credential", "tokens", "origin"]),
  ok: z.boolean(),
  severity: z.enum(severities),
  message: z.string(),
});
/** One thing that was checked before a restore. `ok: false` with `warn` is something to know, not a refusal. */
export type PreflightCheck = z.infer<typeof CheckSchema>;

const MadeBySchema = z.union([
  z.object({ kind: z.enum(["server", "unknown"]) }),
  z.object({ kind: z.literal("key"), id: z.string(), name: z.string() }),
]);
/** Who made the file, as far as the relay saw it. */
export type MadeBy = z.infer<typeof MadeBySchema>;

/** What a look before a restore found. `ok` is false when a check of severity `refuse` failed. */
export const PreflightSchema = z
  .object({
    ok: z.boolean(),
    checks: z.array(CheckSchema),
    backup: z.object({ key: z.string(), size: z.number(), modified: z.string() }).nullable(),
    archive: ArchiveFactsSchema.nullable(),
    madeBy: MadeBySchema,
    /** ISO 8601; null when there is no backup of that name. */
    madeAt: z.string().nullable(),
    madeAtBy: z.enum(madeAtKinds).nullable().describe(MADE_AT_BY),
  })
  .meta({ id: "Preflight" });
export type Preflight = z.infer<typeof PreflightSchema>;

/** What is known before a restore. Times are ms since the epoch. */
export type PreflightEvidence = {
  /** As a list made just now shows it; null when it does not. */
  backup: { key: string; size: number; modified: string } | null;
  /** When it was made, and by which evidence; null when it is not there. */
  made: MadeAt | null;
  /** Health's `canBackup`; null when it is not known. */
  idle: boolean | null;
  /** Null when there was nothing to inspect. */
  inspection: Result<ArchiveInspection, Problem> | null;
  /**
   * Since when the relay's credential is what it is: the last change of the superuser or, if later, of its token; null
   * when unknown.
   */
  credentialSince: number | null;
  madeBy: MadeBy;
  /** What the server is. */
  flavour: Flavour;
};

/**
 * Decides whether a backup may be restored. What could not be checked because something before it failed is left out.
 */
export function preflight(evidence: PreflightEvidence): Preflight {
  const { backup, inspection, made, madeBy } = evidence;
  const checks = [exists(backup !== null), idle(evidence.idle)];
  if (backup !== null) {
    if (evidence.flavour === "bosbase") checks.push(filesOnly);
    if (inspection !== null) checks.push(...archiveChecks(inspection, madeBy));
    // On BosBase superusers and tokens are in PostgreSQL, where no restore reaches them.
    if (evidence.flavour !== "bosbase")
      checks.push(credential(evidence), revivedTokens, ...(isOwn(evidence) ? [] : [elsewhere]));
  }
  const archive = inspection?.ok ? inspection.value.archive : null;
  return {
    ok: !checks.some((check) => check.severity === "refuse" && !check.ok),
    checks,
    backup,
    archive,
    madeBy,
    madeAt: made && isoTime(made.at),
    madeAtBy: made?.by ?? null,
  };
}

/** The checks `archive`, `names` and `database`: one each when nothing is wrong, else one per finding. */
function archiveChecks(inspection: Result<ArchiveInspection, Problem>, madeBy: MadeBy): PreflightCheck[] {
  if (!inspection.ok) {
    const known = problems[inspection.error.code];
    const message = `The backup could not be read, so nothing is known about it. ${inspection.error.hint ?? known.hint}`;
    return [{ name: "archive", ok: false, severity: "refuse", message }];
  }
  const { archive } = inspection.value;
  const findings = madeBy.kind === "server" ? asOfServer(inspection.value.findings) : inspection.value.findings;
  return archiveCheckNames.flatMap((name): PreflightCheck[] => {
    const found = findings.filter((finding) => finding.check === name);
    const failed = found.map(({ severity, message }): PreflightCheck => ({ name, ok: false, severity, message }));
    if (found.some((finding) => finding.severity === "refuse")) return failed;
    const passed = archive && passedMessage(name, archive);
    return passed ? [{ name, ok: true, severity: "refuse", message: passed }, ...failed] : failed;
  });
}

function passedMessage(name: ArchiveCheckName, { entries, uncompressed, database }: ArchiveFacts): string | null {
  switch (name) {
    case "archive":
      return `The archive is whole: ${count(entries, "file")}, ${binarySizeInWords(uncompressed)} unpacked.`;
    case "names":
      return "Every file stays inside the server's data folder and comes once.";
    case "database":
      return (
        database &&
        `data.db is a PocketBase database of ${binarySizeInWords(database.bytes)} in ${count(database.pages, "page")}.`
      );
  }
}

const count = (number: number, word: string) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;

const exists = (found: boolean): PreflightCheck => ({
  name: "exists",
  ok: found,
  severity: "refuse",
  message: found ? "The server lists the backup." : "The server does not list a backup of that name.",
});

const idle = (found: boolean | null): PreflightCheck => ({
  name: "idle",
  ok: found === true,
  severity: "refuse",
  message:
    found === true
      ? "The server is idle."
      : found === false
        ? "The server is making or restoring a backup right now. Try again when it is done."
        : "The server did not say whether it is idle: it does not accept the relay's credential, or does not answer.",
});

const filesOnly: PreflightCheck = {
  name: "flavour",
  ok: false,
  severity: "refuse",
  message: `${problems.restore_files_only.message} ${problems.restore_files_only.hint}`,
};

/** Of a file that the relay did not have the server make: restoring another server's is what uploads are for, too. */
const elsewhere: PreflightCheck = {
  name: "origin",
  ok: false,
  severity: "warn",
  message:
    "The relay did not see this server make the file. If another server made it, that one's superusers and settings come with it: the relay's credential may be refused afterwards, so have a superuser of that server at hand; and a server that runs with another --encryptionEnv than the other one does not start any more (\"cipher: message authentication failed\"), so start it with the other's key.",
};

/** Made by the server as far as anybody can tell: at the relay's request, or by its own schedule, whose names are its own. */
const isOwn = ({ madeBy, backup }: PreflightEvidence): boolean =>
  madeBy.kind === "server" || (madeBy.kind === "unknown" && backup?.key.startsWith(CRON_PREFIX) === true);

function credential(evidence: PreflightEvidence): PreflightCheck {
  const { made, credentialSince } = evidence;
  const known = made !== null && credentialSince !== null && isOwn(evidence);
  const ok = known && credentialSince < made.at;
  const why = known
    ? "The relay's superuser or its token changed after this backup was made."
    : "It is not known whether this backup holds the relay's superuser and token as they are now.";
  return {
    name: "credential",
    ok,
    severity: "warn",
    message: ok
      ? "The relay's credential is older than the backup and should outlive the restore."
      : `${why} The restored server may refuse it: have the superuser's password from that time at hand.`,
  };
}

const revivedTokens: PreflightCheck = {
  name: "tokens",
  ok: false,
  severity: "warn",
  message:
    "A restore brings back superusers, passwords and tokens as they were: what was revoked since then is valid again.",
};
