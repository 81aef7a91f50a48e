import type { Lineage } from "../../access/key.ts";
import { isBelow, visibility } from "../../access/lineage.ts";

/** Whether a reader may see a row: by who acted, what was done and what it was about. */
export type AuditReader = (row: { actor: string; action: string; target: string; verdict: string }) => boolean;

/**
 * What a reader may see of the audit (SECURITY 40). What is about a backup follows the patterns of its whole lineage;
 * everything else, and what was denied, only of itself and the keys below it. A key that an administrator made, without
 * patterns that limit it, sees everything. `aboutBackup` says so of an action whose target is a backup's name.
 */
export function auditReader(
  lineage: Lineage | null,
  aboutBackup: (action: string) => boolean,
  lineageOf: (id: string) => Lineage | null,
): AuditReader {
  if (!lineage) return () => true;
  const [reader] = lineage;
  const everyBackup = lineage.every(({ patterns }) => patterns.includes("*"));
  if (lineage.length === 1 && everyBackup) return () => true;
  const admits = visibility(lineage);
  const own = (actor: string): boolean => {
    const id = actor.slice(actor.indexOf(":") + 1);
    const acted = id === reader.id ? lineage : lineageOf(id);
    return acted !== null && (acted[0].id === reader.id || isBelow(acted, reader.id));
  };
  return ({ actor, action, target, verdict }) =>
    own(actor) || (verdict === "allowed" && aboutBackup(action) && target !== "" && admits(target));
}
