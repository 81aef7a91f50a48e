/** PocketBase's refusals word for word, as recorded from 0.40.6 and 0.39.11. */
const refusal = (status: number, message: string, data: object = {}) => ({ data, message, status });

export const unauthorized = refusal(401, "The request requires valid record authorization token.");
export const forbidden = refusal(403, "The authorized record is not allowed to perform this action.");
export const noDownload = refusal(403, "Insufficient permissions to access the resource.");
export const noRoute = refusal(404, "The requested resource wasn't found.");
export const noFile = refusal(404, "File not found.");
export const tooLarge = refusal(413, "Request entity too large.");
export const wentWrong = refusal(400, "Something went wrong while processing your request.");
export const busy = refusal(400, "Try again later - another backup/restore process has already been started.");
export const notLoaded = refusal(400, "An error occurred while loading the submitted data.");
export const unsupportedType = refusal(400, "Unsupported Content-Type.");
export const createFailed = refusal(400, "Failed to create backup.");
export const uploadFailed = refusal(400, "Failed to upload backup.");
export const inUse = refusal(400, "The backup is currently being used and cannot be deleted.");
export const missingBackup = refusal(400, "Missing or invalid backup file.");
export const loginFailed = refusal(400, "Failed to authenticate.");
export const invalid = (data: object) => refusal(400, "An error occurred while validating the submitted data.", data);

export const nameLength = invalid({
  name: {
    code: "validation_length_out_of_range",
    message: "The length must be between 1 and 150.",
    params: { max: 150, min: 1 },
  },
});
export const nameFormat = invalid({
  name: { code: "validation_match_invalid", message: "Must be in a valid format." },
});
export const nameExists = invalid({
  name: {
    code: "validation_backup_name_exists",
    message: "The backup file name is invalid or already exists.",
  },
});
export const fileBlank = invalid({ file: { code: "validation_required", message: "Cannot be blank." } });
export const fileExists = invalid({
  file: { code: "validation_backup_name_exists", message: "Backup file with the specified name already exists." },
});
export const fileNotZip = invalid({ file: { code: "validation_invalid_mime_type" } });
