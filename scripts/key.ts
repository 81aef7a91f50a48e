import { classifyHost } from "../src/base/address-ranges.ts";
import { readFlags } from "./flags.ts";
import { Refusal, runScript } from "./refusal.ts";
import { callRelay } from "./relay-client.ts";

const help = `
ADMIN_TOKEN=… npm run -s key -- --url URL --instance NAME --name NAME --preset PRESET [limits]

Mints an API key. The key alone goes to standard output, once; the relay keeps only its digest.

  --url URL          the relay (https, or http on loopback and private addresses)
  --instance NAME    may be left out when the relay has exactly one
  --name NAME        what the key is for
  --preset PRESET    robot, fetcher, auditor, operator or owner
  --scope SCOPE      instead of a preset, as often as needed: backups:list, backups:create, …
  --pattern GLOB     only backups whose key matches; as often as needed
  --network CIDR     only callers from there; as often as needed
  --expires TIME     ISO 8601, for example 2027-01-01T00:00:00Z
  --help

ADMIN_TOKEN comes from the environment, because arguments can be read by every process of the machine.
`;

/** The relay's address; the administrator's token is not sent over plain http to the outside. */
function readRelayUrl(text: string | undefined): string {
  const url = text ? URL.parse(text) : null;
  if (!url || !/^https?:$/.test(url.protocol)) throw new Refusal("--url must be the relay's http(s) address.");
  if (url.protocol === "http:" && !["loopback", "private"].includes(classifyHost(url.hostname)))
    throw new Refusal(`The administrator's token is not sent over plain http: use https://${url.host}.`);
  return url.origin + url.pathname.replace(/\/+$/, "");
}

await runScript(async () => {
  const text = { type: "string" } as const;
  const texts = { type: "string", multiple: true } as const;
  const { values } = readFlags(
    process.argv.slice(2),
    {
      url: text,
      instance: text,
      name: text,
      preset: text,
      expires: text,
      scope: texts,
      pattern: texts,
      network: texts,
    },
    help,
  );
  const url = readRelayUrl(values.url);
  const token = process.env.ADMIN_TOKEN?.split(",")[0]
    ?.trim()
    .replace(/^[a-z][a-z0-9-]{0,31}:(?=\S{32})/, "");
  if (!token) throw new Refusal("ADMIN_TOKEN is not in the environment: set it to the relay's administrator's token.");
  if (!values.name) throw new Refusal("--name is missing: say what the key is for.");
  if (!values.preset === !values.scope) throw new Refusal("Give either --preset or --scope; --help lists the presets.");
  type Minted = { key: string; id: string; scopes: string[] };
  const minted = await callRelay<Minted>({ url, token, instance: values.instance ?? null }, "POST", "/v1/keys", {
    name: values.name,
    preset: values.preset,
    scopes: values.scope,
    patterns: values.pattern,
    networks: values.network,
    expires: values.expires,
  });
  console.error(`Key ${minted.id} may: ${minted.scopes.join(", ")}. It is shown this once:`);
  console.log(minted.key);
  return 0;
});
