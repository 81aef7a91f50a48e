import { Refusal } from "./refusal.ts";
import { askRelay, callRelay, type RelayAccess, relayWords } from "./relay-client.ts";
import type { UpstreamCredential } from "./upstream-choice.ts";

/** Name of the instance and of the key that `npm start` makes. */
export const instanceName = "demo";
const KEY_NAME = "npm start";

/** Registers the server, or tells the relay where it is now and with which credential. */
export async function registerInstance(relay: RelayAccess, url: string, credential: UpstreamCredential): Promise<void> {
  const admin = { ...relay, instance: null };
  const known = await askRelay(admin, "GET", `/v1/instances/${instanceName}`);
  if (known.status === 200) await callRelay(admin, "PATCH", `/v1/instances/${instanceName}`, { url, credential });
  else if (known.status === 404)
    await callRelay(admin, "POST", "/v1/instances", { name: instanceName, url, credential });
  else throw new Refusal(`The relay refused its own administrator: ${relayWords(known)}`);
}

/** What a check of the server warns of, a line each. */
export async function warningsOf(relay: RelayAccess): Promise<string[]> {
  type Check = { warnings: { message: string; hint: string }[] };
  const { warnings } = await callRelay<Check>(
    { ...relay, instance: null },
    "POST",
    `/v1/instances/${instanceName}/check`,
  );
  return warnings.map(({ message, hint }) => `Warning: ${message} ${hint}`);
}

/** A new key for this run; those of earlier runs end. */
export async function mintDemoKey(relay: RelayAccess, preset: "operator" | "fetcher"): Promise<string> {
  const { items } = await callRelay<{ items: { id: string; name: string }[] }>(relay, "GET", "/v1/keys?limit=200");
  for (const old of items.filter((key) => key.name === KEY_NAME))
    await callRelay(relay, "DELETE", `/v1/keys/${old.id}`);
  return (await callRelay<{ key: string }>(relay, "POST", "/v1/keys", { name: KEY_NAME, preset })).key;
}

/** The name of a backup, in UTC to the second: `demo_20261122_101500.zip`. */
export const backupName = (at: number): string =>
  `demo_${new Date(at).toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "_")}.zip`;

/** Makes a backup with the key, through the relay, and waits until it is listed; `say` is called when it takes long. */
export async function makeBackup(keyed: RelayAccess, name: string, say: (line: string) => void): Promise<void> {
  const started = performance.now();
  await callRelay(keyed, "POST", "/api/backups", { name });
  for (let looks = 1; ; looks++) {
    const listed = await callRelay<{ key: string }[]>(keyed, "GET", "/api/backups");
    if (listed.some((backup) => backup.key === name)) return;
    const seconds = Math.round((performance.now() - started) / 1000);
    if (seconds > 600)
      throw new Refusal(`The backup ${name} is not listed after ten minutes: look into the server's log.`);
    if (looks % 15 === 0) say(`  … waiting for the backup, ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, looks < 10 ? 200 : 1000));
  }
}
