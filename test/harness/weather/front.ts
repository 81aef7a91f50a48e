import { createHash } from "node:crypto";
import type { CallName } from "../fake/calls.ts";
import { type Content, generated, wholeOf } from "../fake/content.ts";
import { type FakeServer, startFake } from "../fake/server.ts";
import type { FakeOptions } from "../fake/upstream.ts";
import { multipart } from "../multipart.ts";
import type { TestRelay } from "../relay.ts";
import { admin, type MintedKey, mintKey, registerInstance } from "../relay-client.ts";

/** What a caller got, body read to its end; `whole` is false when the transfer broke off. */
export type Outcome = {
  status: number;
  /** Of the error, or of the check's first warning; null for success. */
  code: string | null;
  hint: string | null;
  headers: Headers;
  text: string;
  whole: boolean;
};

/** The calls of a caller, by what they are about. */
export type Action =
  | "list"
  | "page"
  | "create"
  | "generate"
  | "upload"
  | "put"
  | "download"
  | "head"
  | "delete"
  | "restore"
  | "dryRun"
  | "health"
  | "check";

/** An instance of its own in front of a fake server of its own, so that many can be in trouble at once. */
export type Front = {
  name: string;
  server: FakeServer;
  key: MintedKey;
  act(action: Action, backup?: string): Promise<Outcome>;
  /** What the server was asked since the front was opened. */
  asked(call: CallName): number;
  /** The operations of this instance, newest first, once none of them runs any more. */
  operations(): Promise<OperationView[]>;
};

export type OperationView = {
  id: string;
  state: string;
  target: { key: string };
  error: { code: string; message: string; hint: string } | null;
};

/** The backup every front has: made by the server itself, so that it can be restored. */
export const KEPT = "kept.zip";
/** What is uploaded. */
export const uploaded: Content = generated(41, 70_000);

const form = (filename: string): RequestInit => {
  const head = { name: "file", filename, type: "application/zip" };
  const { body, contentType } = multipart([[head, Buffer.from(wholeOf(uploaded))]]);
  return { body: new Uint8Array(body), headers: { "content-type": contentType } };
};

const json = (body: unknown): RequestInit => ({
  body: JSON.stringify(body),
  headers: { "content-type": "application/json" },
});

type Asked = RequestInit & { path: string };

const actions: { [D in Exclude<Action, "check">]: (backup: string) => Asked } = {
  list: () => ({ path: "/api/backups" }),
  page: () => ({ path: "/v1/backups" }),
  create: (backup) => ({ path: "/api/backups", method: "POST", ...json({ name: backup }) }),
  generate: () => ({ path: "/api/backups", method: "POST" }),
  upload: (backup) => ({ path: "/api/backups/upload", method: "POST", ...form(backup) }),
  put: (backup) => ({ path: `/v1/backups/${backup}`, method: "PUT", body: Buffer.from(wholeOf(uploaded)) }),
  download: (backup) => ({ path: `/api/backups/${backup}` }),
  head: (backup) => ({ path: `/api/backups/${backup}`, method: "HEAD" }),
  delete: (backup) => ({ path: `/api/backups/${backup}`, method: "DELETE" }),
  restore: (backup) => ({ path: `/api/backups/${backup}/restore`, method: "POST" }),
  dryRun: (backup) => ({ path: `/v1/backups/${backup}/restore`, method: "POST", ...json({ dryRun: true }) }),
  health: () => ({ path: "/api/health" }),
};

/** Which of them name a backup that is to be new. */
const makes: readonly Action[] = ["create", "upload", "put"];

async function outcome(response: Response): Promise<Outcome> {
  const seen = { status: response.status, headers: response.headers };
  try {
    const text = Buffer.from(await response.arrayBuffer()).toString("latin1");
    const failed =
      response.status >= 400 && text !== "" && response.headers.get("content-type")?.startsWith("application/json");
    const { code, hint } = failed ? (JSON.parse(text) as { code: string; hint: string }) : { code: null, hint: null };
    return { ...seen, code, hint, text, whole: true };
  } catch {
    return { ...seen, code: null, hint: null, text: "", whole: false };
  }
}

/** Opens a front named `name` on `relay`. The server starts in fair weather; nothing but the test asks it for files. */
export async function openFront(relay: TestRelay, name: string, options: FakeOptions = {}): Promise<Front> {
  const server = await startFake(options);
  const { fake } = server;
  await fake.make(KEPT, Date.now() - 60_000);
  const { email, password } = fake;
  await registerInstance(relay, { url: server.url, email, password }, { name, verify: false });
  const key = await mintKey(relay, {}, name);

  const check = async (): Promise<Outcome> => {
    const response = await admin(relay, `/v1/instances/${name}/check`, { method: "POST" });
    const seen = await outcome(response);
    const [first] = (JSON.parse(seen.text) as { warnings?: { code: string; hint: string }[] }).warnings ?? [];
    return { ...seen, code: first?.code ?? seen.code, hint: first?.hint ?? seen.hint };
  };
  const act = async (
    action: Action,
    backup = makes.includes(action) ? `new-${action}.zip` : KEPT,
  ): Promise<Outcome> => {
    if (action === "check") return check();
    const { path, headers, ...init } = actions[action](backup);
    return outcome(
      await fetch(relay.url + path, { ...init, headers: { ...(headers as object), authorization: key.key } }),
    );
  };
  const operations = async (): Promise<OperationView[]> => {
    const read = async (path: string) => (await admin(relay, path, { instance: name })).json() as Promise<unknown>;
    const { items } = (await read("/v1/operations")) as { items: OperationView[] };
    return Promise.all(items.map(({ id }) => read(`/v1/operations/${id}?wait=60`) as Promise<OperationView>));
  };
  // The relay's own first look is over then: none that began before what a test does can be shared.
  await act("list");
  const asked = (call: CallName) => fake.requests.filter((request) => request.call === call).length;
  return { name, server, key, act, asked, operations };
}

/** Names and bytes of everything the server keeps: what must not have changed. */
export function kept({ server }: Front): Record<string, string> {
  const stored = [...server.fake.world.backups].map(([key, { content }]): [string, string] => [
    key,
    createHash("sha256").update(wholeOf(content)).digest("hex"),
  ]);
  return Object.fromEntries(stored.sort());
}
