import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ownMount } from "./own-mount.ts";

export type OwnHosts = { within: readonly string[]; remove(): Promise<void> };

/** For `RelayOptions.within`: a process for which these names resolve to 127.0.0.1, and for nobody else. */
export async function ownHosts(names: readonly string[]): Promise<OwnHosts> {
  const folder = await mkdtemp(join(tmpdir(), "relay-hosts-"));
  const file = join(folder, "hosts");
  await writeFile(file, `127.0.0.1 localhost ${names.join(" ")}\n`);
  return {
    within: ownMount('mount --bind "$0" /etc/hosts', file),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
