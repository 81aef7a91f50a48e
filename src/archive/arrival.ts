import type { Problem } from "../base/problem.ts";
import { ok, type Result } from "../base/result.ts";
import { binarySizeInWords } from "./entry-name.ts";
import type { FindingCode } from "./finding.ts";
import type { Flavour } from "./flavour.ts";
import { type ArchiveFacts, inspectArchive, type ReadCost } from "./inspection.ts";
import type { RangeReader } from "./ranges.ts";

/** `L1`: the archive's structure; `L2`: the header and size of its database as well. */
export const verifiedLevels = ["L1", "L2"] as const;
export type VerifiedLevel = (typeof verifiedLevels)[number];

/** What an inspection of a new backup found. `no`: it was not inspected, because the archive is beyond the limits. */
export type ArrivalReport = {
  verified: "ok" | "suspect" | "no";
  /** How far it was looked into; null when it is not `ok`. */
  level: VerifiedLevel | null;
  /** Why it is not `ok`, in words, worst first; empty when it is. */
  reasons: { code: FindingCode | "shrunk"; message: string }[];
  cost: ReadCost;
  archive: ArchiveFacts | null;
  /** As of `ArchiveInspection`. */
  newestEntry: number | null;
};

/** A new backup smaller than this share of the median is suspect: data is missing, or another server was backed up. */
const SHRUNK = 0.7;

const BEYOND_LIMITS: readonly FindingCode[] = ["too_many_entries", "directory_too_large"];

/**
 * Inspects a backup that has just appeared, with the same reads as the preflight (a few hundred kB). `medianSize` is
 * that of the last ten before it, in bytes; null while there are too few to compare. A problem means that its bytes
 * could not be read, which says nothing about the backup: try again.
 */
export async function verifyOnArrival(
  reader: RangeReader,
  size: number,
  medianSize: number | null,
  flavour: Flavour,
): Promise<Result<ArrivalReport, Problem>> {
  const inspection = await inspectArchive(reader, size, flavour);
  if (!inspection.ok) return inspection;
  const { findings, archive, newestEntry, cost } = inspection.value;
  const refusals = findings.filter(({ severity }) => severity === "refuse");
  const reasons: ArrivalReport["reasons"] = refusals.map(({ code, message }) => ({ code, message }));
  if (medianSize !== null && size < medianSize * SHRUNK) {
    const message = `The backup is ${binarySizeInWords(size)}; the ones before it were about ${binarySizeInWords(medianSize)}. Look whether data is missing.`;
    reasons.push({ code: "shrunk", message });
  }
  const unexamined = refusals.some(({ code }) => BEYOND_LIMITS.includes(code));
  const verified = unexamined ? "no" : reasons.length > 0 ? "suspect" : "ok";
  const level = verified === "ok" ? (archive?.database ? "L2" : "L1") : null;
  return ok({ verified, level, reasons, cost, archive, newestEntry });
}
