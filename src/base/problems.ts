/**
 * Every code the relay answers, with its HTTP status, its public message (PocketBase's own words where PocketBase has
 * the same refusal, because SDK users match on them) and a hint that says what to do. `docs/errors.md` has one entry
 * per code; a test keeps the two equal.
 */
export const problems = {
  unauthenticated: {
    status: 401,
    message: "The request requires valid record authorization token.",
    hint: "Send an API key, a session or the administrator's token in the Authorization header.",
  },
  scope_missing: {
    status: 403,
    message: "The authorized record is not allowed to perform this action.",
    hint: "The key or one above it lacks the scope this call needs; mint a key that has it.",
  },
  network_refused: {
    status: 403,
    message: "You are not allowed to perform this request.",
    hint: "The caller's address is not in the networks of the key or of one above it.",
  },
  ticket_refused: {
    status: 403,
    message: "Insufficient permissions to access the resource.",
    hint: "Ask POST /api/files/token for a fresh ticket and put it into ?token=.",
  },
  not_found: {
    status: 404,
    message: "The requested resource wasn't found.",
    hint: "Check the path, and the method: there is no 405.",
  },
  backup_name_refused: {
    status: 400,
    message: "Something went wrong while processing your request.",
    hint: "No backup can have this name: ., .., *.attrs, invalid UTF-8 and more than 1024 bytes are refused.",
  },
  rights_exceeded: {
    status: 403,
    message: "A key cannot have more rights than the keys above it.",
    hint: "See data: ask for less, or let the key above or the administrator mint it.",
  },
  own_key: {
    status: 403,
    message: "A key cannot change, rotate or delete itself.",
    hint: "Use the key above it or the administrator's token.",
  },
  lineage_too_deep: {
    status: 400,
    message: "Keys can be minted at most three deep.",
    hint: "Mint it with a key further up in the lineage.",
  },
  key_expired: {
    status: 409,
    message: "The key has expired; its secret cannot be rotated.",
    hint: "Give it a later expiry first, or mint a new key.",
  },
  rate_limited: { status: 429, message: "Too Many Requests.", hint: "Wait as long as Retry-After says." },
  quota_exhausted: {
    status: 429,
    message: "Too Many Requests.",
    hint: "The key's daily quota for this scope is used up; it starts anew at 00:00 UTC.",
  },
  invalid_request: {
    status: 400,
    message: "An error occurred while validating the submitted data.",
    hint: "See data for the fields that were refused.",
  },
  body_too_large: {
    status: 413,
    message: "Request entity too large.",
    hint: "A body that is no upload may have 32 MiB.",
  },
  // What the instance's own server refused, in PocketBase's words.
  upstream_busy: {
    status: 400,
    message: "Try again later - another backup/restore process has already been started.",
    hint: "The server makes or restores one backup at a time; GET /api/health says canBackup when it is free.",
  },
  backup_name_exists: {
    status: 400,
    message: "An error occurred while validating the submitted data.",
    hint: "Choose another name. The server says the same when its S3 storage cannot be reached, so look at the list.",
  },
  backup_missing: {
    status: 400,
    message: "Missing or invalid backup file.",
    hint: "List the backups; the server says the same when its S3 storage cannot be reached.",
  },
  backup_deleted: {
    status: 400,
    message: "Invalid or already deleted backup file.",
    hint: "List the backups: it is gone, or the server could not remove it.",
  },
  backup_in_use: {
    status: 400,
    message: "The backup is currently being used and cannot be deleted.",
    hint: "It is being made or restored; try again when GET /api/health says canBackup.",
  },
  create_failed: {
    status: 400,
    message: "Failed to create backup.",
    hint: "The cause stands in the server's log: a full disk, S3, or a hook, and after a hook's error the file may exist.",
  },
  upload_failed: {
    status: 400,
    message: "Failed to upload backup.",
    hint: "The cause stands in the server's log: a full disk, S3, or a name its file system does not take.",
  },
  // What went wrong between the relay and the instance's server.
  upstream_unauthorized: {
    status: 502,
    message: "The server did not accept the relay's credential.",
    hint: "An administrator gives the instance a superuser's token or password that is valid now.",
  },
  upstream_mfa: {
    status: 502,
    message: "The server asks for a second factor, which the relay cannot give.",
    hint: "Give the instance a superuser's impersonate token instead of a password; such a token needs no second factor.",
  },
  upstream_address_refused: {
    status: 502,
    message: "The server's list of superuser IPs does not admit the relay.",
    hint: "Add the relay's address to the superuser IPs in the server's settings, or clear that list.",
  },
  upstream_proxy_refused: {
    status: 502,
    message: "A proxy or tunnel in front of the server refused the relay.",
    hint: "Give the instance the extra headers that proxy asks for, or exempt /api/* from its checks.",
  },
  upstream_proxy_failed: {
    status: 502,
    message: "A proxy in front of the server answered in its place.",
    hint: "The server may be down or restarting behind its proxy; the call may have been carried out all the same.",
  },
  upstream_redirected: {
    status: 502,
    message: "The server answered with a redirect, which the relay does not follow.",
    hint: "Register the address that the server is finally reached at; a login page in front of it needs extra headers.",
  },
  upstream_invalid: {
    status: 502,
    message: "The server's answer could not be understood.",
    hint: "Check that the instance's URL leads to PocketBase or BosBase and not to a page of something else.",
  },
  upstream_too_large: {
    status: 502,
    message: "The server's answer is larger than the relay reads.",
    hint: "A list may have 16 MiB: delete backups, or give them a bucket of their own.",
  },
  upstream_not_found: {
    status: 502,
    message: "The server has no Backups API at the instance's URL.",
    hint: "Check the URL and its path prefix: /api/health must answer below it.",
  },
  unsupported_version: {
    status: 502,
    message: "The server is PocketBase 0.22 or older, which the relay does not speak.",
    hint: "Update the server to PocketBase 0.23 or newer.",
  },
  upstream_storage_failed: {
    status: 502,
    message: "The server could not reach its backup storage.",
    hint: "Check the server's S3 settings or its disk; its log has the cause.",
  },
  upstream_failed: {
    status: 502,
    message: "The server failed while processing the request.",
    hint: "The server's log has the cause.",
  },
  upstream_refused: {
    status: 502,
    message: "The server refused the request.",
    hint: "The server's log has the cause.",
  },
  upstream_body_refused: {
    status: 413,
    message: "Request entity too large.",
    hint: "The server or a proxy in front of it caps request bodies: raise that cap, or upload straight to the server.",
  },
  upstream_rate_limited: {
    status: 503,
    message: "The server is limiting the rate of the relay's requests.",
    hint: "Wait as long as Retry-After says; the server's rate limits can exempt the relay's address.",
  },
  upstream_unreachable: {
    status: 503,
    message: "The server cannot be reached.",
    hint: "It may be down or restarting, or its address is wrong; try again after Retry-After.",
  },
  upstream_saturated: {
    status: 503,
    message: "Too many calls to this server are in flight.",
    hint: "Wait as long as Retry-After says.",
  },
  upstream_timeout: {
    status: 504,
    message: "The server did not answer in time.",
    hint: "What was asked may still happen: look at the list before asking again.",
  },
  // Instances, keys and operations of the relay itself.
  name_taken: {
    status: 409,
    message: "An instance of that name exists.",
    hint: "Choose another name, or delete that one first.",
  },
  instance_not_found: {
    status: 404,
    message: "There is no such instance.",
    hint: "GET /v1/instances lists the names; a removed instance's keys end with it.",
  },
  instance_required: {
    status: 400,
    message: "Which instance?",
    hint: "With the administrator's token, name the instance in the header Relay-Instance; it may be left out only when there is exactly one.",
  },
  instance_mismatch: {
    status: 403,
    message: "The key belongs to another instance.",
    hint: "Leave the header Relay-Instance out: a key always works on its own instance.",
  },
  check_failed: {
    status: 422,
    message: "The server was not registered because the check found a reason against it.",
    hint: 'Mend what the message names, or register anyway with "force": true.',
  },
  configured_by_environment: {
    status: 409,
    message: "This instance is configured by the relay's environment.",
    hint: "Change POCKETBASE_URL and its credential where the relay is deployed.",
  },
  credential_required: {
    status: 400,
    message: "A changed address needs the credential again.",
    hint: "Send url and credential in one request, so that no stored password goes to a new host.",
  },
  confirmation_required: {
    status: 400,
    message: "Deleting an instance removes its keys, audit, ledger and endpoints.",
    hint: "Repeat the call with ?confirm=<name of the instance>.",
  },
  sealed_locked: {
    status: 503,
    message: "A stored secret cannot be opened with the configured ENCRYPTION_KEY.",
    hint: "Put the former ENCRYPTION_KEY back (as second, after a comma), or enter the credential again with PATCH /v1/instances/{name}.",
  },
  storage_too_new: {
    status: 503,
    message: "The stored data was written by a newer relay.",
    hint: "Run the newer version again; an older one must not write into tables it does not know.",
  },
  admin_only: {
    status: 403,
    message: "The authorized record is not allowed to perform this action.",
    hint: "This call needs the administrator's token.",
  },
  credential_refused: {
    status: 403,
    message: "The authorized record is not allowed to perform this action.",
    hint: "This kind of credential cannot make this call.",
  },
  pattern_refused: {
    status: 403,
    message: "The authorized record is not allowed to perform this action.",
    hint: "The key may only touch backups whose names match its patterns; GET /v1/keys/self shows them.",
  },
  too_many_keys: {
    status: 409,
    message: "The instance has 5,000 keys.",
    hint: "Delete keys that are not used any more; GET /v1/keys shows when each was used last.",
  },
  key_not_found: { status: 404, message: "There is no such key.", hint: "GET /v1/keys lists the keys you may see." },
  backup_not_found: {
    status: 404,
    message: "The requested resource wasn't found.",
    hint: "List the backups: there is none of that name that the key may see.",
  },
  backup_overdue: {
    status: 503,
    message: "The newest backup is older than it may be.",
    hint: "Look at the server: its schedule may have stopped. data.backup tells the newest one.",
  },
  backup_conflict: {
    status: 409,
    message: "A backup of that name exists.",
    hint: "Choose another name, or delete that one first.",
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
  // Bytes on their way through the relay.
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
    hint: "It or a proxy in front of it allows five minutes or less: upload over a faster line or straight to the server.",
  },
  operation_not_found: {
    status: 404,
    message: "There is no such operation.",
    hint: "GET /v1/operations lists those you may see; finished ones are kept for a bounded time.",
  },
  create_vanished: {
    status: 400,
    message: "Failed to create backup.",
    hint: "The server reported success, but the backup is not in its list: a hook may have suppressed or renamed it.",
  },
  create_lost: {
    status: 400,
    message: "Failed to create backup.",
    hint: "The server's answer was lost, and it is idle without having the backup: it was not made.",
  },
  create_unsettled: {
    status: 504,
    message: "It could not be settled whether the backup was made.",
    hint: "Look at the list and at the server; nothing was sent twice.",
  },
  delete_lost: {
    status: 400,
    message: "Invalid or already deleted backup file.",
    hint: "The server's answer was lost and the backup is still there: ask again.",
  },
  delete_unsettled: {
    status: 504,
    message: "It could not be settled whether the backup was deleted.",
    hint: "Look at the list when the server answers again.",
  },
  restore_unobserved: {
    status: 504,
    message: "The server accepted the restore; its end was not observed.",
    hint: "Look at the server's data and log; it answers before it starts.",
  },
  archive_unreadable: {
    status: 502,
    message: "The backup could not be read from the server.",
    hint: "It changed or the connection broke while it was read; try again.",
  },
  preflight_refused: {
    status: 400,
    message: "Missing or invalid backup file.",
    hint: "Ask for a dry run of the restore: its checks say what is wrong with the backup.",
  },
  approval_required: {
    status: 403,
    message: "The authorized record is not allowed to perform this action.",
    hint: "This key needs another principal's approval: ask through /v1, which answers with an operation to follow.",
  },
  operation_final: {
    status: 409,
    message: "The operation has ended.",
    hint: "GET /v1/operations/{id} tells how.",
  },
  operation_not_cancelable: {
    status: 409,
    message: "The operation cannot be canceled any more.",
    hint: "The request was sent to the server, which has no way to stop it. Wait for the outcome.",
  },
  queue_full: {
    status: 429,
    message: "Too Many Requests.",
    hint: "20 operations wait for this server already. Wait for some to end.",
  },
  approvals_full: {
    status: 429,
    message: "Too Many Requests.",
    hint: "Three of your requests wait for an approval already. Have them decided, or cancel one.",
  },
  approval_not_pending: {
    status: 409,
    message: "The operation does not wait for an approval.",
    hint: "GET /v1/operations/{id} tells its state.",
  },
  approval_own: {
    status: 403,
    message: "You are not allowed to perform this request.",
    hint: "Another principal has to decide: nobody approves or denies a request of their own. You may cancel it.",
  },
  approval_denied: {
    status: 403,
    message: "The request was denied.",
    hint: "Another principal said no: the operation's approval names who. Nothing was done.",
  },
  approval_expired: {
    status: 409,
    message: "The request was not approved in time.",
    hint: "Nothing was done; ask again.",
  },
  approval_changed: {
    status: 409,
    message: "The backup is not the one that was asked for.",
    hint: "The file was replaced or deleted since. Nothing was done; look at the backup and ask again.",
  },
  idempotency_key_invalid: {
    status: 400,
    message: "An error occurred while validating the submitted data.",
    hint: "Idempotency-Key takes 1 to 255 visible ASCII characters, best a UUID.",
  },
  idempotency_unsupported: {
    status: 400,
    message: "An error occurred while validating the submitted data.",
    hint: "Idempotency-Key is understood only by calls that answer an operation.",
  },
  idempotency_mismatch: {
    status: 422,
    message: "The Idempotency-Key was used for another request.",
    hint: "Take a new key for a new request, or send the same request again.",
  },
  idempotency_running: {
    status: 409,
    message: "The request with this Idempotency-Key is still running.",
    hint: "Follow Location instead of asking again.",
  },
  undo_unavailable: {
    status: 409,
    message: "The restore cannot be undone.",
    hint: "Restore the safety backup by hand if it is still there.",
  },
  restore_protected: {
    status: 409,
    message: "A restore is running.",
    hint: "Wait for its outcome: until then nothing may be made, and neither the restored backup nor the safety backup be replaced or deleted.",
  },
  restore_failed: {
    status: 400,
    message: "The restore failed; the server kept its data.",
    hint: "The message tells the server's reason where its log had one.",
  },
  restore_unknown: {
    status: 504,
    message: "It could not be settled whether the restore happened.",
    hint: "The result's steps say how to find out and how to put the old data back.",
  },
  safety_backup_failed: {
    status: 400,
    message: "The safety backup could not be made, so nothing was restored.",
    hint: "The operation's steps tell why. safetyBackup: false needs the scope backups:restore-unsafe.",
  },
  login_failed: {
    status: 400,
    message: "Failed to authenticate.",
    hint: "Give the API key as the password; any identity will do.",
  },
  misconfigured: {
    status: 503,
    message: "The relay is not set up.",
    hint: "Its operator finds the setting to mend in this message.",
  },
  internal: {
    status: 500,
    message: "Something went wrong while processing your request.",
    hint: "Report the requestId to the relay's operator.",
  },
} as const satisfies Record<string, { status: number; message: string; hint: string }>;

export type ProblemCode = keyof typeof problems;
