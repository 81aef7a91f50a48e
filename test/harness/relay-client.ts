import { equal } from "node:assert/strict";
import { everyBackupScope } from "./key.ts";

/** What these calls need to know of a relay; a `TestRelay` is one. */
export type RelayAddress = { url: string; adminToken: string };

/** What a key may be minted with (`POST /v1/keys`); anything else it knows may be added. */
export type KeyRequest = { name?: string; preset?: string; scopes?: string[] } & Record<string, unknown>;

export type MintedKey = { id: string; key: string; scopes: string[] } & Record<string, unknown>;

type AdminRequest = { method?: string; body?: unknown; headers?: Record<string, string>; instance?: string };

/** One call with the administrator's token; a body makes it a POST. `instance` names one where there are several. */
export function admin(relay: RelayAddress, path: string, request: AdminRequest = {}): Promise<Response> {
  const { body, instance } = request;
  return fetch(relay.url + path, {
    method: request.method ?? (body === undefined ? "GET" : "POST"),
    headers: {
      authorization: `Bearer ${relay.adminToken}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(instance === undefined ? {} : { "relay-instance": instance }),
      ...request.headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
}

/** An operation once it has ended or waits for somebody's yes, asked for until then. */
export async function endOf<T extends { state: string }>(
  relay: RelayAddress,
  id: string,
  instance?: string,
): Promise<T> {
  for (;;) {
    const answer = await admin(relay, `/v1/operations/${id}?wait=25`, { instance });
    const operation = (await answer.json()) as T;
    if (!["queued", "running"].includes(operation.state)) return operation;
  }
}

async function expected<T>(answer: Response, status: number, what: string): Promise<T> {
  const text = await answer.text();
  equal(answer.status, status, `${what}: ${text}`);
  return JSON.parse(text) as T;
}

/** Registers a server, by its superuser's password; throws with the relay's answer when it refuses. */
export async function registerInstance(
  relay: RelayAddress,
  server: { url: string; email: string; password: string },
  more: { name?: string } & Record<string, unknown> = {},
): Promise<{ id: string; name: string; nudge: { url: string; secret: string } } & Record<string, unknown>> {
  const { url, email, password } = server;
  const body = { name: "demo", url, credential: { email, password }, ...more };
  return expected(await admin(relay, "/v1/instances", { body }), 201, "registering");
}

/** Mints a key, without a preset or scopes one of every `backups:` scope and no quota. `instance` as in `admin`. */
export async function mintKey(relay: RelayAddress, request: KeyRequest = {}, instance?: string): Promise<MintedKey> {
  const rights = request.preset || request.scopes ? {} : { scopes: everyBackupScope };
  const body = { name: "test", ...rights, ...request };
  return expected(await admin(relay, "/v1/keys", { body, instance }), 201, "minting a key");
}
