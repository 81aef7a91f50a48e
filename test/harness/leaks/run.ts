import { randomBytes } from "node:crypto";
import type { FakeServer } from "../fake/server.ts";
import { signedNudge } from "../nudge.ts";
import type { Receiver } from "../receiver.ts";
import type { Caller, Exchange } from "./caller.ts";

export type Key = { id: string; key: string };
type Made = { id: string; secret: string };
type Operation = { id: string; state: string };
/** What the calls of one instance need. */
export type Stage = { caller: Caller; admin: string; server: FakeServer; receiver: Receiver };

/** Nobody can guess it, and nobody shows it by chance; with everything that some spelling writes differently. */
export const unguessable = (): string => {
  const random = () => randomBytes(12).toString("hex");
  return `${random()}"\\ü/+ %&<${random()}`;
};
export const plain = (): string => randomBytes(16).toString("hex");

export const jsonBody = (body: unknown) => ({
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

/** Registers a server; its answer, and only it, may show the nudge's secret. */
export async function register(stage: Stage, name: string, more: Record<string, unknown> = {}) {
  const { caller, admin, server } = stage;
  const { email, password } = server.fake;
  const header = caller.keep("upstream extra header", plain());
  const body = {
    name,
    url: server.url,
    credential: { email, password },
    headers: { "x-tunnel-access": header },
    verify: false,
    ...more,
  };
  const [made, answer] = await caller.json<{ nudge: Nudge }>("POST", "/v1/instances", admin, body, 201);
  caller.keep("relay nudge secret", made.nudge.secret, answer);
  return made.nudge;
}
export type Nudge = { url: string; secret: string };

/** Mints a key; its answer, and only it, may show the key. */
export async function mint(stage: Stage, instance: string, request: Record<string, unknown>): Promise<Key> {
  const { caller, admin } = stage;
  const { headers, body } = jsonBody({ name: "leak", ...request });
  const named = { ...headers, "relay-instance": instance };
  const answer = await caller.call("POST", "/v1/keys", { auth: admin, headers: named, body });
  const key = JSON.parse(String(answer.body)) as Key;
  caller.keep("relay key", key.key, answer);
  return key;
}

/** Registers, changes and asks with right and wrong credentials, secrets in wrong fields included; nudges; removes. */
export async function instances(stage: Stage, nudge: Nudge): Promise<void> {
  const { caller, admin, server } = stage;
  const { fake } = server;
  const wrong = caller.keep("upstream password, wrong", unguessable());
  const send = (body: unknown) => caller.call("POST", "/v1/instances", { auth: admin, ...jsonBody(body) });
  const here = { name: "other", url: server.url, credential: { email: fake.email, password: fake.password } };
  await send({ ...here, credential: { email: fake.email, password: wrong } });
  await send({ ...here, credential: { token: fake.accounts.issue("file", "superuser", 60) } });
  await send({ ...here, credential: fake.password });
  await send({ ...here, credential: { ...here.credential, token: wrong } });
  await send({ ...here, name: fake.password, pollSeconds: wrong });
  await send({ ...here, url: `http://root:${encodeURIComponent(wrong)}@${new URL(server.url).host}` });
  await send({ ...here, url: `${server.url}/?token=${encodeURIComponent(wrong)}` });
  await send({ ...here, headers: { authorization: wrong, "x-key": `${wrong}\n` } });
  await caller.call("POST", "/v1/instances", {
    auth: admin,
    ...jsonBody(0),
    body: `${JSON.stringify(wrong)} ${wrong}`,
  });
  await caller.call("GET", "/v1/instances", { auth: admin });
  await caller.call("GET", "/v1/instances/demo", { auth: admin });
  const change = (body: unknown) => caller.call("PATCH", "/v1/instances/demo", { auth: admin, ...jsonBody(body) });
  await change({ credential: { email: fake.email, password: wrong } });
  await change({ credential: { token: wrong } });
  await change({ url: "http://127.0.0.1:9" });
  await change({ url: "http://127.0.0.1:9", credential: { token: wrong } });
  await change({ url: server.url, credential: { token: fake.impersonate() } });
  await change({ credential: here.credential, headers: { "x-other": caller.keep("upstream extra header", plain()) } });
  await caller.call("POST", "/v1/instances/demo/check", { auth: admin });
  const [again, answer] = await caller.json<Nudge>("POST", "/v1/instances/demo/nudge/rotate", admin, undefined, 200);
  caller.keep("relay nudge secret", again.secret, answer);
  const words = caller.keep("upstream words", plain());
  fake.cronFailure("cron.zip", `S3: ${words} ${[...fake.secrets].join(" ")} /srv/pb/pb_data`);
  // The server's log shows rows a moment later; the look that the nudge asks for finds it.
  await new Promise((resolve) => setTimeout(resolve, 2 * fake.world.pace.log));
  const path = new URL(nudge.url).pathname;
  for (const secret of [again.secret, nudge.secret]) {
    await caller.call("POST", path, signedNudge(secret));
    await caller.call("POST", path, { headers: { "x-signature": secret }, body: secret });
  }
  await register(stage, "passing");
  await caller.call("DELETE", "/v1/instances/passing", { auth: admin });
  await caller.call("DELETE", "/v1/instances/passing?confirm=passing", { auth: admin });
}

/** A key made, misread, changed, rotated and revoked by another key. */
export async function keys(stage: Stage, owner: Key): Promise<void> {
  const { caller } = stage;
  const auth = `Bearer ${owner.key}`;
  const [made, answer] = await caller.json<Key>("POST", "/v1/keys", auth, { name: "child", preset: "fetcher" }, 201);
  caller.keep("relay key", made.key, answer);
  const path = `/v1/keys/${made.id}`;
  await caller.call("POST", "/v1/keys", { auth, ...jsonBody({ name: made.key.repeat(2), preset: owner.key }) });
  await caller.call("POST", "/v1/keys", { auth: made.key, ...jsonBody({ name: "x", preset: "owner" }) });
  for (const read of ["/v1/keys", "/v1/keys/self", path, "/v1/keys/nobody"]) await caller.call("GET", read, { auth });
  await caller.call("PATCH", path, { auth, ...jsonBody({ note: "changed", ratePerMinute: 600 }) });
  await caller.call("PATCH", path, { auth, ...jsonBody({ networks: [made.key], expires: owner.key }) });
  const [rotated, told] = await caller.json<Key>("POST", `${path}/rotate`, auth, { graceSeconds: 60 }, 201);
  caller.keep("relay key", rotated.key, told);
  for (const key of [made.key, rotated.key, made.key]) await caller.call("GET", "/api/backups", { auth: key });
  await caller.call("DELETE", path, { auth });
  await caller.call("GET", "/api/backups", { auth: rotated.key });
}

const LOGIN = "/api/collections/_superusers/auth-with-password";
const REFRESH = "/api/collections/_superusers/auth-refresh";

/** Logins, renewals and tickets, and each kind of credential in the place of another. */
export async function sessions(stage: Stage, owner: Key): Promise<{ session: string; ticket: string }> {
  const { caller, server } = stage;
  const [first, answer] = await caller.json<{ token: string }>(
    "POST",
    LOGIN,
    "",
    { identity: "a@b.example", password: owner.key },
    200,
  );
  const session = caller.keep("relay session", first.token, answer);
  const refreshed = await caller.call("POST", REFRESH, { auth: session });
  caller.keep("relay session", (JSON.parse(String(refreshed.body)) as { token: string }).token, refreshed);
  const [minted, told] = await caller.json<{ token: string }>("POST", "/api/files/token", session, undefined, 200);
  const ticket = caller.keep("relay ticket", minted.token, told);
  await caller.call("POST", REFRESH, { auth: ticket });
  await caller.call("POST", REFRESH, { auth: server.fake.impersonate() });
  await caller.call("POST", "/api/files/token", { auth: ticket });
  for (const password of [server.fake.password, `${owner.key}x`, session])
    await caller.call("POST", LOGIN, jsonBody({ identity: password, password }));
  await caller.call("POST", LOGIN, { headers: { "content-type": "application/json" }, body: `{${owner.key}` });
  const fields = new URLSearchParams({ identity: "", password: owner.key }).toString();
  await caller.call("POST", LOGIN, { headers: { "content-type": "application/x-www-form-urlencoded" }, body: fields });
  return { session, ticket };
}

/** Waits for what was answered 202. */
async function ended(stage: Stage, auth: string, answer: Exchange): Promise<Operation> {
  if (answer.status !== 202) throw new Error(`${answer.place}: ${answer.status} ${answer.body}`);
  const { id } = JSON.parse(String(answer.body)) as Operation;
  const read = await stage.caller.call("GET", `/v1/operations/${id}?wait=20`, { auth });
  await stage.caller.call("GET", `/v1/operations/${id}/outcome`, { auth });
  return JSON.parse(String(read.body)) as Operation;
}

/** Backups made, restored, undone, deleted; approvals asked for, given and refused. */
export async function operations(stage: Stage, auth: string, asking: string): Promise<void> {
  const { caller } = stage;
  const idempotency = { "idempotency-key": '"leak-1"' };
  await caller.call("POST", "/api/backups", { auth, ...jsonBody({ name: "made.zip" }) });
  await caller.call("POST", "/api/backups", { auth, ...jsonBody({ name: "made.zip" }) });
  const made = { auth, ...jsonBody({ name: "made2.zip" }) };
  for (let times = 0; times < 2; times++)
    await ended(
      stage,
      auth,
      await caller.call("POST", "/v1/backups", { ...made, headers: { ...made.headers, ...idempotency } }),
    );
  for (const path of ["/v1/backups", "/v1/backups/latest", "/v1/backups/latest?maxAgeSeconds=1&pattern=large*"])
    await caller.call("GET", path, { auth });
  await caller.call("POST", "/v1/backups/large.zip/restore", { auth, ...jsonBody({ dryRun: true }) });
  await caller.call("POST", "/api/backups/large.zip/restore", { auth });
  const restore = { auth, ...jsonBody({ dryRun: true }) };
  await caller.call("POST", "/v1/backups/kept.zip/restore", restore);
  const restored = await ended(stage, auth, await caller.call("POST", "/v1/backups/kept.zip/restore", { auth }));
  if (restored.state !== "succeeded") throw new Error(`the restore ended ${JSON.stringify(restored)}`);
  await ended(stage, auth, await caller.call("POST", `/v1/operations/${restored.id}/undo`, { auth }));
  await caller.call("POST", `/v1/operations/${restored.id}/cancel`, { auth });
  for (const decision of ["deny", "cancel", "approve"]) {
    const answer = await caller.call("DELETE", "/v1/backups/made.zip", { auth: asking });
    const { id } = JSON.parse(String(answer.body)) as Operation;
    await caller.call("POST", `/v1/operations/${id}/approve`, { auth: asking });
    const decider = decision === "cancel" ? asking : auth;
    await caller.call("POST", `/v1/operations/${id}/${decision}`, { auth: decider });
    await caller.call("GET", `/v1/operations/${id}?wait=5`, { auth: asking });
  }
  await caller.call("DELETE", "/v1/backups/made2.zip", { auth });
  await caller.call("DELETE", "/api/backups/raw.zip", { auth });
  await caller.call("DELETE", "/api/backups/raw.zip", { auth });
  await caller.call("GET", "/v1/operations", { auth });
}

/** Endpoints before receivers of every answer, tested, rotated, replayed and moved. The id of one that stays. */
export async function webhooks(stage: Stage, auth: string): Promise<string> {
  const { caller, receiver } = stage;
  const make = async (kind: string, more: Record<string, unknown> = {}): Promise<Made> => {
    const path = `/${kind}/${caller.keep("webhook address", plain())}?token=${caller.keep("webhook address", plain())}`;
    receiver.answers.set(path, (response, { headers, body }) => {
      const echoed = JSON.stringify({ path, headers, body });
      if (kind === "moved") response.writeHead(302, { location: receiver.url(`/followed?${echoed.length}`) });
      else
        response.writeHead(kind === "gone" ? 410 : kind === "failing" ? 500 : 200, {
          "x-echo": encodeURIComponent(echoed),
        });
      response.end(echoed);
    });
    const headers = { authorization: `Bearer ${caller.keep("webhook header", plain())}` };
    const body = { url: receiver.url(path), headers, types: ["*"], ...more };
    const [made, answer] = await caller.json<Made>("POST", "/v1/webhooks", auth, body, 201);
    caller.keep("webhook secret", made.secret, answer);
    return made;
  };
  const own = `whsec_${randomBytes(32).toString("base64")}`;
  const good = await make("good", { secret: own });
  const others = await Promise.all([make("failing"), make("moved"), make("gone"), make("slack", { format: "slack" })]);
  const path = `/v1/webhooks/${good.id}`;
  const wrong = caller.keep("webhook address", plain());
  for (const url of [`ftp://x/${wrong}`, `https://a:${wrong}@example.com/`, `http://169.254.169.254/${wrong}`])
    await caller.call("POST", "/v1/webhooks", { auth, ...jsonBody({ url, secret: own.slice(0, -9) }) });
  await caller.call("PATCH", path, { auth, ...jsonBody({ headers: { host: wrong, "x-y": `${wrong}\n` } }) });
  await caller.call("PATCH", path, { auth, ...jsonBody({ description: "changed" }) });
  await caller.call("PATCH", path, { auth, ...jsonBody({ [wrong.slice(0, 4)]: wrong }) });
  for (const { id } of [good, ...others]) await caller.call("POST", `/v1/webhooks/${id}/test`, { auth });
  const [rotated, told] = await caller.json<Made>("POST", `${path}/rotate`, auth, {}, 201);
  caller.keep("webhook secret", rotated.secret, told);
  await caller.call("POST", `${path}/pause`, { auth });
  await caller.call("POST", `${path}/resume`, { auth });
  await caller.call("POST", `${path}/replay`, { auth, ...jsonBody({ seq: 1 }) });
  const elsewhere = await others[0]!;
  const moved = jsonBody({ url: `https://receiver.invalid/${caller.keep("webhook address", plain())}` });
  const changed = await caller.call("PATCH", `/v1/webhooks/${elsewhere.id}`, { auth, ...moved });
  const { secret } = JSON.parse(String(changed.body)) as { secret?: string };
  if (secret) caller.keep("webhook secret", secret, changed);
  await caller.call("DELETE", `/v1/webhooks/${others[2]!.id}`, { auth });
  for (const read of ["/v1/webhooks", path, "/v1/webhooks/event-types", `${path}/jwks.json`])
    await caller.call("GET", read, { auth });
  return good.id;
}

/** What tells of all that happened, once it did. */
export async function reports(stage: Stage, auth: string): Promise<void> {
  const { caller } = stage;
  const listed = await caller.call("GET", "/v1/webhooks", { auth });
  const { items } = JSON.parse(String(listed.body)) as { items: { id: string }[] };
  for (const { id } of items) await caller.call("GET", `/v1/webhooks/${id}/attempts?limit=200`, { auth });
  await caller.call("GET", "/v1/events/stream?after=0", { auth, leaveWhenQuietMs: 200 });
  for (const path of ["/v1/events?limit=200", "/v1/events?after=200&limit=200", "/v1/events/verify"])
    await caller.call("GET", path, { auth });
  for (const verdict of ["allowed", "denied"])
    await caller.call("GET", `/v1/audit?limit=200&verdict=${verdict}`, { auth });
  await caller.call("GET", "/v1/audit/removals?limit=200", { auth: stage.admin });
  await caller.call("GET", "/v1/audit/removals?limit=0", { auth });
  for (const path of ["/v1/operations", "/v1/backups", "/api/health", "/v1/health", "/docs"])
    await caller.call("GET", path, { auth });
}
