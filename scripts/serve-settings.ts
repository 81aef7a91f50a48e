import { parseEnv } from "node:util";
import type { SettingName } from "../src/settings.ts";
import { readSettings } from "../src/settings.ts";
import { Refusal } from "./refusal.ts";
import type { RelaySettings } from "./relay-process.ts";
import { settingNames } from "./workerd-config.ts";

/** What differs from a deployed Worker: Cloudflare is not in front, and CPU time has no cap. */
export const serveDefaults: RelaySettings = { CLIENT_ADDRESS: "socket", HEALING: "exact", RESOLVER: "off" };

/** Without Cloudflare's edge in front the header is the caller's own text. */
const NOT_BEHIND_CLOUDFLARE =
  "CLIENT_ADDRESS=cloudflare is for a deployed Worker. Here it is socket, or behind a tunnel or proxy of your own header:cf-connecting-ip with its address in TRUSTED_PROXIES.";

/**
 * The settings of a relay on plain workerd: the environment's, else the file's, else the defaults above. Refuses the
 * first one that is missing or malformed with the sentence the Worker itself would answer; `warn` gets names it does
 * not know.
 */
export function serveSettings(
  environment: NodeJS.ProcessEnv,
  file: { path: string; text: string } | null,
  warn: (line: string) => void,
): RelaySettings {
  const fromFile = file ? parseEnv(file.text) : {};
  for (const name of Object.keys(fromFile))
    if (!(settingNames as readonly string[]).includes(name))
      warn(`${name} in ${file!.path} is no setting of the relay.`);
  const settings: RelaySettings = {};
  for (const name of settingNames) {
    const value = (environment[name] ?? fromFile[name] ?? serveDefaults[name])?.trim();
    if (value) settings[name] = value;
  }
  const read = readSettings(settings as { [name in SettingName]?: string });
  if (!read.ok)
    throw new Refusal(read.error.message ?? "A setting is missing or malformed; see the README for the list.");
  if (read.value.clientAddress.from === "cloudflare") throw new Refusal(NOT_BEHIND_CLOUDFLARE);
  return settings;
}
