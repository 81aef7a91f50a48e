import type { CheckWarning, Observed, ServerCheck } from "./check-result.ts";

type Seen = Pick<Observed, "at" | "baseUrl" | "credential" | "edge"> & {
  check: ServerCheck;
  proxy: string | null;
  secondRelay: boolean;
};

const DAY_MS = 86_400_000;
const EXPIRING_DAYS = 14;
const SKEW_SECONDS = 30;

/** An upload with the superuser's own token, which this way is in neither the shell's history nor the process list. */
const curl = (url: string): string =>
  `read -rs TOKEN; curl -H @<(echo "Authorization: $TOKEN") -F file=@backup.zip ${url}/api/backups/upload`;

const onTheServer = `On the server itself: ${curl("http://127.0.0.1:8090")}`;

const proxies: Record<string, Omit<CheckWarning, "code">> = {
  cloudflare: {
    message:
      "The server is behind Cloudflare: uploads over 100 MB (Free and Pro) are refused there, and creates over 100 s lose their answer, though they go on.",
    hint: `Exempt /api/* from caching there; the relay settles lost answers by looking. ${onTheServer}`,
  },
  nginx: {
    message:
      "The server is behind nginx: unless configured otherwise it refuses bodies over 1 MB and gives up waiting after 60 s.",
    hint: `Raise client_max_body_size and proxy_read_timeout for /api/backups. ${onTheServer}`,
  },
};

/** What will cause trouble with this server later, each with a way out. Empty when nothing will. */
export function warningsOf(seen: Seen): CheckWarning[] {
  const { check, credential } = seen;
  const warnings: CheckWarning[] = [];
  if (check.flavour === "bosbase")
    warnings.push({
      code: "no_database_in_backups",
      message: "BosBase keeps its data in PostgreSQL: backups made there hold files only and no database.",
      hint: "Back PostgreSQL up by its own means (pg_dump); the relay refuses to restore backups there.",
    });
  if (check.flavour === "bosbase" && credential.kind === "password")
    warnings.push({
      code: "password_in_server_log",
      message:
        "BosBase writes the body of every login into its own log: the superuser's password stands there as text.",
      hint: "Give the instance an impersonate token instead, change the password, and delete the server's logs.",
    });
  if (check.version === "0.23-0.37")
    warnings.push({
      code: "untested_version",
      message: `The server looks like PocketBase ${check.version}; the relay is tested with 0.39 and 0.40.`,
      hint: "Update the server, or try a backup and a download before relying on it.",
    });
  const proxy = seen.proxy === null ? undefined : proxies[seen.proxy];
  if (proxy) warnings.push({ code: "origin_behind_proxy", ...proxy });
  if (seen.edge)
    warnings.push({
      code: "edge_body_cap",
      message: "Uploads through the relay stop at Cloudflare's cap on bodies: 100 MB on Free and Pro zones.",
      hint: `Larger ones straight to the server: ${curl(seen.baseUrl)}`,
    });
  if (seen.secondRelay)
    warnings.push({
      code: "second_relay",
      message:
        "Another relay has asked this server in the last 15 minutes, or this one under another registration. Restores by two at once disturb each other.",
      hint: "Keep one relay and one instance for each server; it can have as many keys as needed.",
    });
  const left = credential.kind === "token" && credential.expires !== null ? credential.expires - seen.at : null;
  if (check.authorized && left !== null && left < EXPIRING_DAYS * DAY_MS)
    warnings.push({
      code: "token_expiring",
      message: `The superuser's token ends in ${Math.max(0, Math.floor(left / DAY_MS))} days.`,
      hint: "Make a new impersonate token in the server's dashboard and give it to the instance.",
    });
  if (check.clockSkewSeconds !== null && Math.abs(check.clockSkewSeconds) > SKEW_SECONDS)
    warnings.push({
      code: "clock_skew",
      message: `The server's clock differs from the relay's by ${check.clockSkewSeconds} seconds.`,
      hint: "Synchronise the server's clock: the age of backups and the life of tokens are judged by it.",
    });
  return warnings;
}
