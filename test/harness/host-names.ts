import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type OwnHosts = { within: readonly string[]; remove(): Promise<void> };

/** For `RelayOptions.within`: a process for which these names resolve to 127.0.0.1, and for nobody else. */
export async function ownHosts(names: readonly string[]): Promise<OwnHosts> {
  const folder = await mkdtemp(join(tmpdir(), "relay-hosts-"));
  const file = join(folder, "hosts");
  await writeFile(file, `127.0.0.1 localhost ${names.join(" ")}\n`);
  const root = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const script = 'mount --bind "$0" /etc/hosts && exec "$@"';
  return {
    within: ["unshare", "--mount", ...root, "sh", "-c", script, file],
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
