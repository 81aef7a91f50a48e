import type { SettingName } from "../src/settings.ts";
import type { PrivateNetwork } from "../src/upstream/address.ts";
import type { WorkerBuild } from "./build-worker.ts";

/** Every setting the Worker reads. Values never stand in the configuration: workerd takes them from its environment. */
export const settingNames = [
  "ADMIN_TOKEN",
  "ENCRYPTION_KEY",
  "POCKETBASE_URL",
  "POCKETBASE_TOKEN",
  "POCKETBASE_EMAIL",
  "POCKETBASE_PASSWORD",
  "ALLOW_PRIVATE_NETWORK",
  "CLIENT_ADDRESS",
  "TRUSTED_PROXIES",
  "RESOLVER",
  "WEBHOOK_PORTS",
  "HEALING",
  "PUBLIC_URL",
] as const satisfies SettingName[];

/** Fails to compile when the Worker learns a setting that is not in the list above. */
type Unlisted = Exclude<SettingName, (typeof settingNames)[number]>;
const complete: Unlisted extends never ? true : never = true;
void complete;

const OBJECT_FOLDER = "backup-relay-";
/**
 * The name of an object class's storage folder and the root of its objects' ids. Frozen: another name would make every
 * stored object unreachable.
 */
export const uniqueKey = (className: string): string => `${OBJECT_FOLDER}${className.toLowerCase()}`;
/** On the disk of the objects' data, so that the Worker can find out whether there is room without touching them. */
export const roomFolder = `${OBJECT_FOLDER}room`;
export const isObjectFolder = (name: string): boolean => name.startsWith(OBJECT_FOLDER);

/** Link-local and metadata addresses (AWS, ECS, GCP, Azure, Alibaba, Oracle; v4, v6, NAT64): never reached. */
export const neverReached = [
  "169.254.0.0/16",
  "168.63.129.16/32",
  "100.100.100.200/32",
  "192.0.0.192/32",
  "fe80::/10",
  "fd00:ec2::/32",
  "fd20:ce::/32",
  "64:ff9b::a9fe:0/112",
  "64:ff9b::a83f:8110/128",
  "64:ff9b::6464:64c8/128",
  "64:ff9b::c000:c0/128",
];

/** Private IPv4 seen through NAT64, 6to4 and Teredo, and what is reserved: public for workerd, but not for the relay. */
export const notPublic = [
  "64:ff9b:1::/48",
  "2001::/32",
  "fec0::/10",
  "64:ff9b::a00:0/104",
  "64:ff9b::7f00:0/104",
  "64:ff9b::ac10:0/108",
  "64:ff9b::c0a8:0/112",
  "64:ff9b::6440:0/106",
  "2002::/16",
  "0.0.0.0/8",
  "100.64.0.0/10",
  "192.0.0.0/24",
  "198.18.0.0/15",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "ff00::/8",
];

/** MiB for short-lived values. By default V8 uses several times that: 70 MB more, and nothing was faster. */
const v8Flags = ["--max-semi-space-size=16"];

export type ConfigOptions = {
  build: Pick<WorkerBuild, "compatibilityDate" | "compatibilityFlags" | "objects">;
  privateNetwork: PrivateNetwork;
  /** The settings that are set; the others get no binding, as on Cloudflare. */
  settings: readonly SettingName[];
};

const text = (value: string): string => JSON.stringify(value);
const list = (values: readonly string[]): string => `[${values.map(text).join(", ")}]`;
const lines = (values: string[]): string => values.map((value) => `    ${value},`).join("\n");

/**
 * The configuration of plain workerd for the built Worker, to stand beside its `index.js`: objects with SQLite in the
 * directory services `store` and `room` and the socket `http`, all named without path and address (those come as arguments), and
 * two ways out. `internet` carries calls to instances; `PUBLIC` is for addresses other people choose and checks the
 * address a name resolved to, which stops DNS rebinding.
 */
export function workerdConfig({ build, privateNetwork, settings }: ConfigOptions): string {
  const network = (name: string, withPrivate: boolean) => {
    const allow = withPrivate ? ["public", "private"] : ["public"];
    const deny = withPrivate ? neverReached : [...neverReached, ...notPublic];
    return `(name = ${text(name)}, network = (allow = ${list(allow)}, deny = ${list(deny)}, tlsOptions = (trustBrowserCas = true)))`;
  };
  const bindings = [
    ...build.objects.map((o) => `(name = ${text(o.binding)}, durableObjectNamespace = ${text(o.className)})`),
    ...settings.map((name) => `(name = ${text(name)}, fromEnvironment = ${text(name)})`),
    `(name = "PUBLIC", service = "public")`,
    `(name = "ROOM", service = "room")`,
  ];
  const namespaces = build.objects.map(
    (o) => `(className = ${text(o.className)}, uniqueKey = ${text(uniqueKey(o.className))}, enableSql = true)`,
  );
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "relay", worker = .relay),
    ${network("internet", privateNetwork !== "none")},
    ${network("public", privateNetwork === "all")},
    (name = "store", disk = (writable = true)),
    (name = "room", disk = (writable = true)),
  ],
  sockets = [(name = "http", http = (), service = "relay")],
  v8Flags = ${list(v8Flags)},
);

const relay :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "index.js")],
  compatibilityDate = ${text(build.compatibilityDate)},
  compatibilityFlags = ${list(build.compatibilityFlags)},
  bindings = [
${lines(bindings)}
  ],
  durableObjectNamespaces = [
${lines(namespaces)}
  ],
  durableObjectStorage = (localDisk = "store"),
);
`;
}
