import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { PocketBase } from "./pocketbase-find.ts";
import { putSuperuser, servePocketBase } from "./pocketbase-server.ts";
import type { Running } from "./processes.ts";
import { Refusal } from "./refusal.ts";
import { ask, askHidden, onTerminal } from "./terminal.ts";

export type UpstreamCredential = { token: string } | { email: string; password: string };

/** The server the relay will stand in front of. */
export type Upstream = {
  url: string;
  credential: UpstreamCredential;
  /** Null for an existing server. */
  own: { running: Running; version: string } | null;
};

const SUPERUSER = "demo@example.com";

/** Starts a server on the kept data, with a superuser who has this password. */
export async function startOwnUpstream(
  binary: PocketBase,
  folder: string,
  port: number,
  password: string,
): Promise<Upstream> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const dataDir = join(folder, "pb_data");
  const credential = { email: SUPERUSER, password };
  await putSuperuser(binary, dataDir, credential);
  const { url, running } = await servePocketBase(binary, { dataDir, port });
  return { url, credential, own: { running, version: binary.version } };
}

/** The address of an existing server as typed: its root, without `/_/`, query or user name. */
export function readUpstreamUrl(text: string): string {
  const url = URL.parse(/^https?:\/\//.test(text) ? text : `https://${text}`);
  if (!url || url.username || url.password || url.search || url.hash)
    throw new Refusal(
      `--upstream must be the address of a PocketBase server, for example https://pb.example.com, not "${text}".`,
    );
  return url.origin + url.pathname.replace(/(\/_)?\/*$/, "");
}

/** The superuser credential for an existing server: the environment's, else asked for on the terminal. */
export async function readCredential(environment: NodeJS.ProcessEnv, url: string): Promise<UpstreamCredential> {
  const { POCKETBASE_TOKEN: token, POCKETBASE_EMAIL: email, POCKETBASE_PASSWORD: password } = environment;
  if (token) return { token };
  if (email && password) return { email, password };
  if (!onTerminal())
    throw new Refusal(
      "There is no terminal to ask for the credential: set POCKETBASE_TOKEN, or POCKETBASE_EMAIL and POCKETBASE_PASSWORD.",
    );
  console.error(`The relay needs a superuser of ${url}; it is kept sealed and only until this run ends.`);
  const typed = await ask("Superuser e-mail (empty to give a token instead): ");
  const secret = await askHidden(typed ? "Password (not shown): " : "Token (not shown): ");
  if (!secret) throw new Refusal("Nothing was typed, so there is no credential to use.");
  return typed ? { email: typed, password: secret } : { token: secret };
}

/** Why `fetch` got no answer, by the runtime's code for it, with what to do. */
function noAnswer(url: string, error: Error): Refusal {
  const code = String((error.cause as NodeJS.ErrnoException | undefined)?.code ?? error.name);
  if (/^(ENOTFOUND|EAI_AGAIN)$/.test(code))
    return new Refusal(`The name in ${url} does not resolve: check its spelling and its DNS record.`);
  if (/CERT|SELF_SIGNED|VERIFY/.test(code))
    return new Refusal(`The certificate of ${url} is not valid (${code}): the relay would refuse it, too.`);
  if (/^(ERR_SSL|EPROTO)/.test(code)) return new Refusal(`${url} speaks no TLS at this port: is it http://?`);
  if (code === "TimeoutError")
    return new Refusal(`${url} does not answer in time: does a firewall keep this machine out?`);
  return new Refusal(`Nothing answers at ${url} (${code}): check the address and that the server runs.`);
}

/** Checks that a PocketBase answers there, without any credential. */
export async function probeUpstream(url: string): Promise<void> {
  const signal = AbortSignal.timeout(15_000);
  const answer = await fetch(`${url}/api/health`, { redirect: "manual", signal }).catch((error: Error) => {
    throw noAnswer(url, error);
  });
  const body = (await answer.json().catch(() => null)) as { code?: number } | null | undefined;
  if (answer.status !== 200 || body?.code !== 200)
    throw new Refusal(`${url} answers, but not as a PocketBase does: give the address its /api/health lies under.`);
}
