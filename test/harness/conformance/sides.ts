import { access, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultVersion, previousVersion } from "../../../scripts/pocketbase-versions.ts";
import { type Store, takeStore } from "../backups-folder.ts";
import { type Outcome, type RawRequest, raw, type Sdk, sdk } from "../clients.ts";
import { everyBackupScope } from "../key.ts";
import { startPocketBase, type TestPocketBase } from "../pocketbase.ts";
import { startRelay, type TestRelay } from "../relay.ts";
import { admin, mintKey, registerInstance } from "../relay-client.ts";

export const versions = [defaultVersion, previousVersion] as const;

/**
 * Who calls, as PocketBase's own tests name it. S: a superuser, or a key with every `backups:` scope. U: a regular user,
 * or a key that has every scope but the one in question. F, Fu, Fx: the file token of a superuser, of a user, and an
 * expired one, or the ticket of such keys.
 */
export type Who = "S" | "U" | "F" | "Fu" | "Fx";

/** One of the two things compared. */
export type Side = {
  name: "direct" | "relay";
  url: string;
  /** The SDK, logged in as S through `auth-with-password`. */
  superuser: Sdk;
  /** The SDK as a guest. */
  guest: Sdk;
  credential(who: Who): string;
  raw(method: string, path: string, request?: Omit<RawRequest, "as"> & { as?: Who | undefined }): Promise<Outcome>;
};

/** A real server of one version, and the relay in front of it. */
export type Stage = {
  version: string;
  server: TestPocketBase;
  store: Store;
  relay: TestRelay;
  /** The instance's name at the relay. */
  instance: string;
  direct: Side;
  behind: Side;
  /** What the next creates meet in the server's hook; null: nothing. */
  hook(mode: HookMode | null): Promise<void>;
  /** True while nothing holds the server's lock. */
  idle(): Promise<boolean>;
};

/**
 * `hold-fail`, `hold-make`: stays in the hook (the lock is held) until the mode changes, then fails or goes on. `fail`
 * throws before the file is made, `fail-late` after; `rename` makes it under another name.
 */
export type HookMode = "hold-fail" | "hold-make" | "fail" | "fail-late" | "rename";

const HOOK = `onBackupCreate((e) => {
  const read = () => { try { return toString($os.readFile($os.getenv("RELAY_HOOK_MODE"))) } catch { return "" } };
  const mode = read();
  if (mode.startsWith("hold")) while (read() === mode) sleep(5);
  if (mode === "fail" || mode === "hold-fail") throw new BadRequestError("by the hook");
  if (mode === "rename") e.name = "renamed by hook.zip";
  e.next();
  if (mode === "fail-late") throw new BadRequestError("by the hook");
});
`;

const userPassword = "only-a-user-0";

/** One relay and a server of each version behind it, every credential made. Ends with `close`. */
export async function openStages(
  missingScope: string,
  ofVersions: readonly string[] = versions,
): Promise<{ stages: Stage[]; close(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "relay-conformance-"));
  await mkdir(join(folder, "hooks"));
  await writeFile(join(folder, "hooks", "hold.pb.js"), HOOK);
  const mode = (version: string) => join(folder, `mode-${version}`);
  const [relay, ...servers] = await Promise.all([
    startRelay(),
    ...ofVersions.map((version) =>
      startPocketBase({ version, hooksDir: join(folder, "hooks"), env: { RELAY_HOOK_MODE: mode(version) } }),
    ),
  ]);
  const close = async () => {
    await Promise.all([relay.stop(), ...servers.map((server) => server.stop())]);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const stages = [];
    for (const server of servers) stages.push(await openStage(relay, server, mode(server.version), missingScope));
    return { stages, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openStage(relay: TestRelay, server: TestPocketBase, mode: string, missing: string): Promise<Stage> {
  const instance = `v${server.version.replaceAll(".", "-")}`;
  await registerInstance(relay, server, { name: instance });
  const direct = await directSide(server);
  await direct.superuser.pb.backups.create("sample.zip");
  const store = await takeStore(server.dataDir, "sample.zip");
  await store.reset([]);
  return {
    version: server.version,
    server,
    store,
    relay,
    instance,
    direct,
    behind: await relaySide(relay, instance, missing),
    async hook(wanted) {
      if (wanted) await writeFile(mode, wanted);
      else if (
        await access(mode).then(
          () => true,
          () => false,
        )
      )
        await rm(mode);
    },
    async idle() {
      const health = await direct.superuser.pb.health.check();
      return health.data.canBackup === true;
    },
  };
}

function side(name: Side["name"], url: string, superuser: Sdk, credentials: Record<Who, string>): Side {
  const credential = (who: Who) => credentials[who];
  return {
    name,
    url,
    superuser,
    guest: sdk(url),
    credential,
    raw: (method, path, { as, ...request } = {}) =>
      raw(url, method, path, { ...request, as: as === undefined ? undefined : credential(as) }),
  };
}

async function directSide(server: TestPocketBase): Promise<Side> {
  const client = sdk(server.url);
  const { pb } = client;
  const S = (await pb.collection("_superusers").authWithPassword(server.email, server.password)).token;
  const F = await pb.files.getToken();
  // Ten seconds are the shortest life a server gives; by the time it is used it is over.
  await pb.collections.update("_superusers", { fileToken: { duration: 10 } });
  const Fx = await pb.files.getToken();
  await pb.collections.update("_superusers", { fileToken: { duration: 180 } });
  await pb
    .collection("users")
    .create({ email: "user@example.com", password: userPassword, passwordConfirm: userPassword });
  const user = sdk(server.url).pb;
  const U = (await user.collection("users").authWithPassword("user@example.com", userPassword)).token;
  const Fu = await user.files.getToken();
  return side("direct", server.url, client, { S, U, F, Fu, Fx });
}

async function relaySide(relay: TestRelay, instance: string, missing: string): Promise<Side> {
  const mint = (request: Record<string, unknown> = {}) => mintKey(relay, request, instance);
  const change = (id: string, body: unknown) => admin(relay, `/v1/keys/${id}`, { method: "PATCH", body, instance });
  const ticket = async (key: string) => {
    const holder = sdk(relay.url).pb;
    holder.authStore.save(key);
    return holder.files.getToken();
  };
  const S = (await mint()).key;
  const client = sdk(relay.url);
  await client.pb.collection("_superusers").authWithPassword("anything", S);
  const U = (await mint({ scopes: everyBackupScope.filter((scope) => scope !== missing) })).key;
  // A ticket needs `backups:download` when it is made; what it opens is asked anew each time.
  const narrowed = await mint();
  const Fu = await ticket(narrowed.key);
  await change(narrowed.id, { scopes: ["backups:list"] });
  // A ticket never outlives its key, so one of a key that ends soon is expired soon, though the key then lives on.
  const short = await mint({ expires: new Date(Date.now() + 2_000).toISOString() });
  const Fx = await ticket(short.key);
  await change(short.id, { expires: null });
  return side("relay", relay.url, client, { S, U, F: await ticket(S), Fu, Fx });
}
