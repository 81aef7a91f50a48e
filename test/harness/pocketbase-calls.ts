import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { startPocketBase, type TestPocketBase } from "./pocketbase.ts";

/** Runs with a server of its own: what it is fed may end it. */
export async function withServer<T>(version: string, run: (server: TestPocketBase) => Promise<T>): Promise<T> {
  const server = await startPocketBase({ version });
  try {
    return await run(server);
  } finally {
    await server.stop();
  }
}

/** A call as the superuser. */
export async function call(server: TestPocketBase, method: string, path: string, body?: unknown, token?: string) {
  return fetch(`${server.url}${path}`, {
    method,
    headers: { authorization: token ?? (await server.token()), "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** Has the server make a backup, and reads it from its disk. */
export async function makeBackup(server: TestPocketBase, name = "made.zip"): Promise<Uint8Array> {
  const made = await call(server, "POST", "/api/backups", { name });
  expect(made.status).toBe(204);
  return new Uint8Array(await readFile(join(server.dataDir, "backups", name)));
}

/** Uploads an archive, restores it, and tells what became of the server: a record made just before is the witness. */
export async function restore(server: TestPocketBase, archive: Uint8Array): Promise<"restored" | "unchanged" | "dead"> {
  const token = await server.token();
  const form = new FormData();
  form.set("file", new Blob([archive.slice().buffer as ArrayBuffer], { type: "application/zip" }), "crafted.zip");
  const uploaded = await fetch(`${server.url}/api/backups/upload`, {
    method: "POST",
    headers: { authorization: token },
    body: form,
  });
  expect(uploaded.status).toBe(204);
  const self = JSON.parse(atob(token.split(".")[1]!)) as { id: string; collectionId: string };
  const canary = { collectionRef: self.collectionId, recordRef: self.id, fingerprint: "canary" };
  const records = "/api/collections/_authOrigins/records";
  const { id } = (await (await call(server, "POST", records, canary, token)).json()) as { id: string };
  const accepted = await call(server, "POST", "/api/backups/crafted.zip/restore", undefined, token);
  expect(accepted.status).toBe(204);
  let present = 0;
  for (;;) {
    await sleep(250);
    if (!alive(server.pid)) return "dead";
    const answer = await call(server, "GET", `${records}/${id}`, undefined, token).catch(() => null);
    if (answer?.status === 404) return "restored";
    if (answer?.status === 200 && ++present === 16) return "unchanged";
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
