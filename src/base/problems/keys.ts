import type { Catalogue } from "./catalogue.ts";

/** What is refused to those who manage API keys. */
export const keysProblems = {
  key_not_found: { status: 404, message: "There is no such key.", hint: "GET /v1/keys lists the keys you may see." },
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
  other_principal: {
    status: 403,
    message: "The key belongs to another principal: only an administrator changes or rotates it.",
    hint: "Ask an administrator. Deleting it is allowed.",
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
  key_has_no_text: {
    status: 409,
    message: "These rights are held without a key text; there is no secret to rotate.",
    hint: "Disable or delete them to end their use; `holder` names what holds them.",
  },
  too_many_keys: {
    status: 409,
    message: "The instance has 5,000 keys.",
    hint: "Delete keys that are not used any more; GET /v1/keys shows when each was used last.",
  },
} as const satisfies Catalogue;
