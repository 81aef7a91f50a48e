import type { Problem } from "../base/problem.ts";
import { ok, type Result } from "../base/result.ts";
import { shownSize } from "./entry-name.ts";
import type { FindingCode } from "./finding.ts";
import { type ArchiveFacts, inspectArchive, type LookedAt } from "./inspection.ts";
import type { RangeReader } from "./ranges.ts";

/** What a new backup is worth. `no` means that nobody looked, here because the archive is beyond the limits. */
export type Arrival = {
  verified: "ok" | "suspect" | "no";
  /** Why it is not `ok`, in words, worst first; empty when it is. */
  reasons: { code: FindingCode | "shrunk"; message: string }[];
  lookedAt: LookedAt;
  archive: ArchiveFacts | null;
};

/** A new backup smaller than this part of the median is suspect: data went missing, or another store was backed up. */
const SHRUNK = 0.7;

const BEYOND_LIMITS: readonly FindingCode[] = ["too_many_entries", "directory_too_large"];

/**
 * Looks at a backup that has just appeared, with the preflight's own reads (a few hundred kB). `medianSize` is that of
 * the last ten before it, in bytes; null while there are too few to compare. A problem means that its bytes could not
 * be had, which is no verdict: try again.
 */
export async function verifyOnArrival(
  reader: RangeReader,
  size: number,
  medianSize: number | null,
): Promise<Result<Arrival, Problem>> {
  const inspection = await inspectArchive(reader, size);
  if (!inspection.ok) return inspection;
  const { findings, archive, lookedAt } = inspection.value;
  const refusals = findings.filter(({ severity }) => severity === "refuse");
  const reasons: Arrival["reasons"] = refusals.map(({ code, message }) => ({ code, message }));
  if (medianSize !== null && size < medianSize * SHRUNK) {
    const message = `The backup is ${shownSize(size)}; the ones before it were about ${shownSize(medianSize)}. Look whether data is missing.`;
    reasons.push({ code: "shrunk", message });
  }
  const unexamined = refusals.some(({ code }) => BEYOND_LIMITS.includes(code));
  const verified = unexamined ? "no" : reasons.length > 0 ? "suspect" : "ok";
  return ok({ verified, reasons, lookedAt, archive });
}
