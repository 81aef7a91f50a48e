import { startPocketBase, type TestPocketBase } from "../test/harness/pocketbase.ts";
import { type RelayOptions, startRelay, type TestRelay } from "../test/harness/relay.ts";
import { type KeyRequest, mintKey, registerInstance } from "../test/harness/relay-client.ts";
import type { Peer } from "./peer.ts";

const portOf = (url: string): number => Number(new URL(url).port);

export type Server = TestPocketBase & Peer;

/** A real PocketBase in a throwaway folder. */
export async function startServer(): Promise<Server> {
  const server = await startPocketBase();
  return Object.assign(server, { port: portOf(server.url), pids: () => [server.pid] });
}

export type Relay = TestRelay & Peer & { key: string };

/** The built relay with one instance at `url` (the server itself unless told) and a key for every `backups:` scope. */
export async function startRegisteredRelay(
  server: Server,
  {
    url = server.url,
    settings,
    key = {},
    build,
  }: { url?: string; key?: KeyRequest } & Pick<RelayOptions, "settings" | "build"> = {},
): Promise<Relay> {
  const relay = await startRelay({ ...(settings ? { settings } : {}), ...(build ? { build } : {}) });
  await registerInstance(relay, { ...server, url });
  const minted = await mintKey(relay, key);
  return Object.assign(relay, { port: portOf(relay.url), pids: () => [relay.pid], key: minted.key });
}

/** A fresh file token of the server, good for three minutes. */
export async function fileToken(server: Server): Promise<string> {
  const answer = await fetch(`${server.url}/api/files/token`, {
    method: "POST",
    headers: { authorization: await server.token() },
  });
  if (!answer.ok) throw new Error(`the file token was refused: ${answer.status}`);
  return ((await answer.json()) as { token: string }).token;
}
