import { type Problem, problem } from "../base/problem.ts";
import { fail, type Result } from "../base/result.ts";
import { plainText } from "../base/text.ts";
import type { UploadCall } from "./upload-call.ts";

/** PocketBase's own message for a form without a file, and for every body it cannot read. */
const blank = { file: { code: "validation_required", message: "Cannot be blank." } };

export const fileMissing = (): Problem => problem("upload_file_missing", { data: blank });

export const broken = (): Problem => problem("upload_broken", { data: blank });

/** PocketBase 0.40 `core/validators/file.go`, with the name as it was sent instead of a random one. */
export const notZip = (name: string): Problem =>
  problem("upload_not_zip", {
    data: {
      file: {
        code: "validation_invalid_mime_type",
        message: `"${plainText(name, 100)}" mime type must be one of: application/zip.`,
      },
    },
  });

export const secondFile = (): Problem =>
  problem("upload_second_file", {
    data: { file: { code: "validation_too_many_files", message: "The maximum allowed files is 1." } },
  });

/** Whether a file begins as ZIP archives do: a local entry, the end record of an empty one, a spanning marker (APPNOTE 4.3). */
export function isZip(start: Uint8Array): boolean {
  if (start[0] !== 0x50 || start[1] !== 0x4b) return false;
  const [third, fourth] = [start[2], start[3]];
  return (third === 3 && fourth === 4) || (third === 5 && fourth === 6) || (third === 7 && fourth === 8);
}

/** A name with control characters is never put into a header of ours, even where `check` would allow it. */
export function checkName(call: UploadCall<unknown>, name: string): Result<unknown, Problem> {
  return /[\0-\x1f\x7f]/.test(name) || !name.isWellFormed() ? fail(problem("backup_name_refused")) : call.check(name);
}
