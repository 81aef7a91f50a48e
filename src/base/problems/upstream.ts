import type { Catalogue } from "./catalogue.ts";

/** What went wrong between the relay and the instance's server. */
export const upstreamProblems = {
  upstream_busy: {
    status: 400,
    message: "Try again later - another backup/restore process has already been started.",
    hint: "The server makes or restores one backup at a time; GET /api/health says canBackup when it is free.",
  },
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
    hint: "It may be down or restarting: try again after Retry-After. POST /v1/instances/{name}/check tells what is in the way.",
  },
  upstream_name_unknown: {
    status: 503,
    message: "The server's name does not resolve, or leads to an address that the relay may not reach.",
    hint: "Check the spelling of the instance's address and the name's DNS record, where the relay runs; private addresses need ALLOW_PRIVATE_NETWORK.",
  },
  upstream_tls_failed: {
    status: 502,
    message: "No TLS connection to the server could be made: its certificate is not valid.",
    hint: "It must be of a public authority, for the name in the instance's address, in date, with its chain: a self-signed one is refused.",
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
} as const satisfies Catalogue;
