import type { FieldProblem } from "../base/problem.ts";

/** The fields of PocketBase's own forms that the relay fills in. */
const FIELDS: readonly string[] = ["name", "file"];

/** PocketBase's refusals of a field (apis/backup_create.go, apis/backup_upload.go and the rules they use), to the letter. */
const known: readonly (readonly [code: string, message: RegExp])[] = [
  ["validation_required", /^Cannot be blank\.$/],
  ["validation_length_out_of_range", /^The length must be between \d{1,6} and \d{1,6}\.$/],
  ["validation_match_invalid", /^Must be in a valid format\.$/],
  ["validation_backup_name_exists", /^The backup file name is invalid or already exists\.$/],
  ["validation_backup_name_exists", /^Backup file with the specified name already exists\.$/],
];

/** Quotes a name. Any text may stand there, so the name is left out. */
const notZip = /^"[^"]*" mime type must be one of: application\/zip\.$/;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * The refusals of fields in a server's answer, as far as they are PocketBase's own. A hook or a proxy may write anything
 * there, even the token it was called with: any other text about these fields becomes `validation_invalid_value`, and
 * everything else in `data` is left out.
 */
export function fieldRefusals(data: Record<string, unknown>): Record<string, FieldProblem> {
  const fields: Record<string, FieldProblem> = {};
  for (const name of FIELDS) {
    const given = data[name];
    if (!isRecord(given) || typeof given.code !== "string" || typeof given.message !== "string") continue;
    fields[name] = fieldRefusal(given.code, given.message, given.params);
  }
  return fields;
}

function fieldRefusal(code: string, message: string, params: unknown): FieldProblem {
  if (code === "validation_invalid_mime_type" && notZip.test(message))
    return { code, message: "The mime type must be one of: application/zip." };
  if (!known.some(([ours, words]) => ours === code && words.test(message)))
    return { code: "validation_invalid_value", message: "Invalid value." };
  const numbers = isRecord(params) ? boundsOf(params) : {};
  return Object.keys(numbers).length > 0 ? { code, message, params: numbers } : { code, message };
}

const boundsOf = (params: Record<string, unknown>): Record<string, number> =>
  Object.fromEntries(
    ["max", "min"].flatMap((bound) => (typeof params[bound] === "number" ? [[bound, params[bound]]] : [])),
  );
