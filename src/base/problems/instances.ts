import type { Catalogue } from "./catalogue.ts";

/** Instances: registering, changing and removing them, and what they keep. */
export const instancesProblems = {
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
  migration_failed: {
    status: 503,
    message: "The stored data could not be brought to this version; nothing was changed.",
    hint: "Run the version that wrote it again, and report this to the relay's makers.",
  },
  storage_too_new: {
    status: 503,
    message: "The stored data was written by a newer relay.",
    hint: "Run the newer version again; an older one must not write into tables it does not know.",
  },
} as const satisfies Catalogue;
