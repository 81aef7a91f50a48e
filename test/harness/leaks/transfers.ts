import { generated, wholeOf } from "../fake/content.ts";
import { multipart } from "../multipart.ts";
import type { Exchange } from "./caller.ts";
import { plain, type Stage } from "./run.ts";

export const archive = Buffer.from(wholeOf(generated(7, 700_000)));
export const form = (filename: string, content: Buffer, end = true) => {
  const { body, contentType } = multipart([[{ name: "file", filename }, content]], { end });
  return { headers: { "content-type": contentType }, body };
};
/** Healed, ranged, left and broken downloads, by key, session, ticket and what is none of them. */
export async function downloads(stage: Stage, auth: string, session: string, ticket: string): Promise<void> {
  const { caller, server } = stage;
  const { faults } = server.fake;
  const path = "/api/backups/large.zip";
  const whole: Exchange[] = [];
  faults.add({ kind: "cutAt", bytes: 200_000, on: "download", times: 2 });
  faults.add({ kind: "deadToken", on: "download", after: 1, times: 1 });
  whole.push(await caller.call("GET", path, { auth }));
  for (const given of [{ auth: session }, { auth: `bearer ${auth}` }])
    whole.push(await caller.call("GET", "/v1/backups/latest/content?pattern=large*", given));
  whole.push(await caller.call("GET", `${path}?token=${ticket}`));
  for (const { status, body } of whole)
    if (status !== 200 || !body.equals(archive)) throw new Error(`a download did not heal: ${status}`);
  for (const range of ["bytes=5-99", "bytes=0-4,100-140", "bytes=9999999-"])
    await caller.call("GET", path, { auth, headers: { range } });
  await caller.call("HEAD", path, { auth });
  await caller.call("GET", path, { auth, leaveAfter: 1000 });
  const query = caller.keep("relay query", plain());
  await caller.call("GET", `${path}?x=${query}&token=${ticket}`, { headers: { referer: `http://x/?${query}` } });
  for (const queried of [path, "/api/backups", "/api/health", "/api/backups/none.zip"])
    await caller.call("GET", `${queried}?thumb=${query}`, { auth });
  await caller.call("DELETE", `/api/backups/none.zip?x=${query}`, { auth });
  await caller.call("POST", `/api/files/token?fields=${query}`, { auth });
  faults.add({ kind: "cutAt", bytes: 100_000, on: "download", times: 1 });
  faults.add({ kind: "swap", on: "download", after: 1, times: 1 });
  await caller.call("GET", path, { auth });
  faults.clear();
  const fileToken = server.fake.accounts.issue("file", "superuser", 60);
  for (const token of [fileToken, session, encodeURIComponent(auth), `${ticket}x`, ticket.slice(0, -5), "brk_"])
    await caller.call("GET", `${path}?token=${token}`);
  await caller.call("GET", "/api/backups/none.zip", { auth });
  await caller.call("GET", "/api/backups/%2e%2e", { auth });
}

/** One download in fair weather, and one that the server cuts: healed, or as short at the client. */
export async function cutDownloads({ caller, server }: Stage, auth: string, heals: boolean): Promise<void> {
  const whole = await caller.call("GET", "/api/backups/large.zip", { auth });
  server.fake.faults.add({ kind: "cutAt", bytes: 100_000, on: "download", times: 1 });
  const cut = await caller.call("GET", "/api/backups/large.zip", { auth });
  server.fake.faults.clear();
  // It was swapped in the relay's first life.
  if (whole.body.length !== archive.length || whole.body.equals(cut.body) !== heals || cut.cut === heals)
    throw new Error(`downloads ended otherwise: ${whole.status}, ${cut.status} ${cut.cut}`);
}

/** Forms and raw files, whole, taken, broken, no archives, and cut. */
export async function uploads(stage: Stage, auth: string): Promise<void> {
  const { caller } = stage;
  const path = "/api/backups/upload";
  const stored = [
    await caller.call("POST", path, { auth, ...form("formed.zip", archive) }),
    await caller.call("PUT", "/v1/backups/raw.zip", { auth, body: archive }),
  ];
  if (stored.some(({ status }) => status >= 300))
    throw new Error(`an upload was refused: ${stored.map(({ body }) => body)}`);
  await caller.call("POST", path, { auth, ...form("formed.zip", archive) });
  await caller.call("POST", path, { auth, ...form("text.zip", Buffer.from("no archive")) });
  await caller.call("POST", path, { auth, ...form("open.zip", archive, false) });
  await caller.call("POST", path, { auth, ...form("../x.zip", archive) });
  await caller.call("POST", path, { auth, ...form("short.zip", archive), promisedMore: 99_999 });
  await caller.call("PUT", "/v1/backups/short2.zip", { auth, body: archive, promisedMore: 99_999 });
  await caller.call("PUT", "/v1/backups/raw.zip", { auth, body: archive });
}
