import type { Catalogue } from "./catalogue.ts";

/** Bytes on their way through the relay. */
export const transfersProblems = {
  backup_changed: {
    status: 503,
    message: "The backup on the server is not the one that was listed.",
    hint: "It was replaced meanwhile: list the backups and ask again.",
  },
  transfer_cut: {
    status: 502,
    message: "The transfer broke off.",
    hint: "Ask for the rest with Range and If-Range, or for the whole again.",
  },
  range_unpinned: {
    status: 428,
    message: "A part of the newest backup was asked for, without saying of which one.",
    hint: "Take its key from /v1/backups/latest and continue /api/backups/{key}, or start anew without a part.",
  },
  length_required: {
    status: 411,
    message: "Length Required.",
    hint: "Send the upload with a Content-Length, not chunked: only then a cut can be told from an end.",
  },
  encoding_refused: {
    status: 415,
    message: "Unsupported Media Type.",
    hint: "Send the upload as it is, without Content-Encoding.",
  },
  upload_reserved: {
    status: 400,
    message: "An error occurred while validating the submitted data.",
    hint: "Another upload or create of that name is under way.",
  },
  upload_interrupted: {
    status: 503,
    message: "The upload was interrupted by a restart of the relay.",
    hint: "Nothing was stored; send it again.",
  },
  upload_vanished: {
    status: 400,
    message: "Failed to upload backup.",
    hint: "The server's answer does not agree with its list, which does not hold the file: send it again.",
  },
  upload_damaged: {
    status: 502,
    message: "The stored file does not have the size that was sent.",
    hint: "Delete it and send it again; do not restore it.",
  },
  upload_unsettled: {
    status: 504,
    message: "It could not be settled whether the upload was stored.",
    hint: "Look at the list before sending it again.",
  },
  upload_file_missing: {
    status: 400,
    message: "An error occurred while validating the submitted data.",
    hint: 'Send multipart/form-data with one file part named "file" that has a file name.',
  },
  upload_broken: {
    status: 400,
    message: "An error occurred while validating the submitted data.",
    hint: "The request's body ended early or is no sound multipart form; nothing was stored: send it again.",
  },
  upload_not_zip: {
    status: 400,
    message: "An error occurred while validating the submitted data.",
    hint: "A backup is a ZIP file: its first bytes are PK.",
  },
  upload_second_file: {
    status: 400,
    message: "An error occurred while validating the submitted data.",
    hint: "Send one backup per request; nothing was stored.",
  },
  upload_cut: {
    status: 502,
    message: "The server stopped reading the upload.",
    hint: "It restarted, or it or a proxy in front of it allows five minutes or less: send it again, over a faster line or straight to the server.",
  },
  upload_failed: {
    status: 400,
    message: "Failed to upload backup.",
    hint: "The cause stands in the server's log: a full disk, S3, or a name its file system does not take.",
  },
} as const satisfies Catalogue;
