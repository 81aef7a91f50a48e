import { generated } from "./content.ts";
import { serve } from "./download.ts";
import { ConnectionCut, type Strikes } from "./faults.ts";
import { stamp } from "./log.ts";
import { looksLikeZip, uploadedFile } from "./multipart.ts";
import { names, type Replies } from "./reply.ts";
import { randomId, type World } from "./world.ts";

/** One request on its way through the fake: who asks, when, and what strikes it. */
export type Turn = { world: World; replies: Replies; request: Request; url: URL; now: number; strikes: Strikes };

const bytes = new TextEncoder();
const order = (a: string, b: string): number => {
  const [left, right] = [bytes.encode(a), bytes.encode(b)];
  for (let at = 0; at < Math.min(left.length, right.length); at++)
    if (left[at] !== right[at]) return left[at]! - right[at]!;
  return left.length - right.length;
};

export function list({ world, replies, url, now, strikes }: Turn): Response {
  if (strikes.s3Down)
    return replies.raw(
      400,
      'Failed to retrieve backup items. Raw error: \nGet "http://127.0.0.1:1/bk/?list-type=2&max-keys=1000": dial tcp 127.0.0.1:1: connect: connection refused.',
    );
  if (strikes.invalidJson) return replies.text(200, '[{"modified":"2026-11-23 00:17:13.814Z","key":"te');
  if (strikes.hugeJson) return replies.text(200, `[${" ".repeat(strikes.hugeJson.bytes - 2)}]`);
  world.looks += 1;
  if (strikes.flapping && world.looks % 2 === 0) return replies.json(200, []);
  const youngest = now - (strikes.listLag?.ms ?? 0);
  const items = [...world.backups]
    .filter(([key, { modified }]) => !key.endsWith(".attrs") && (!strikes.listLag || modified <= youngest))
    .sort(([a], [b]) => order(a, b))
    .map(([key, { content, modified }]) => {
      const item = { modified: stamp(modified), key, size: content.size };
      return replies.old ? { key, size: item.size, modified: item.modified } : item;
    });
  const fields = url.searchParams.get("fields")?.split(",");
  const picked = fields
    ? items.map((item) => Object.fromEntries(Object.entries(item).filter(([name]) => fields.includes(name))))
    : items;
  return replies.json(200, picked);
}

function askedName(text: string, type: string): { name: string } | null {
  if (text === "") return { name: "" };
  if (!type.startsWith("application/json")) return null;
  try {
    const body: unknown = JSON.parse(text);
    if (body === null) return { name: "" };
    if (typeof body !== "object" || Array.isArray(body)) return null;
    const name = (body as { name?: unknown }).name ?? "";
    return typeof name === "string" ? { name } : null;
  } catch {
    return null;
  }
}

export async function create(turn: Turn, sleep: (ms: number) => Promise<void>): Promise<Response> {
  const { world, replies, request, now, strikes } = turn;
  const text = await request.text();
  if (world.lock !== null) return replies.error("ELOCK");
  const asked = askedName(text, request.headers.get("Content-Type") ?? "");
  if (!asked) return replies.error("ELOAD");
  const { name } = asked;
  const limit = replies.old ? 100 : 150;
  if (new TextEncoder().encode(name).length > limit) return replies.invalid({ name: names.length });
  if (name !== "" && !/^[a-z0-9_-]+\.zip$/.test(name)) return replies.invalid({ name: names.format });
  if (name !== "" && (world.backups.has(name) || strikes.s3Down)) return replies.invalid({ name: names.exists });
  if (strikes.hollowCreate) return replies.none();
  if (strikes.failedCreate && !strikes.failedCreate.stored) return replies.error("ECREATE");

  const key = name || `pb_backup_acme_${new Date(now).toISOString().replace(/\D/g, "").slice(0, 14)}.zip`;
  const archive = await world.archive(now);
  const whole = await world.prepared(archive);
  const { create: ms } = world.pace;
  if (ms === 0) world.store(key, whole, now);
  else {
    world.lock = name;
    const scratch = `${key}.18ea85040c3adb89.tmp`;
    // On local disk the copy into the store is seen under a name of its own for the last part of the work.
    const half = await world.prepared(archive.slice(0, archive.length >> 1));
    if (!world.s3) world.later(now + ms / 2, (at) => world.store(scratch, half, at));
    world.later(now + ms, (at) => {
      world.backups.delete(scratch);
      world.store(key, whole, at);
      world.lock = null;
    });
  }
  // The work goes on; whoever asked hears no more of it.
  if (strikes.reset) throw new ConnectionCut();
  if (strikes.html) return replies.html(strikes.html.status);
  await sleep(ms);
  if (strikes.failedCreate) return replies.error("ECREATE");
  return replies.none();
}

export type Received = { key: string; size: number; sha256: string };

export async function upload({ world, replies, request, now, strikes }: Turn, received: Received[]): Promise<Response> {
  const file = await uploadedFile(request.body, request.headers.get("Content-Type") ?? "");
  if (!file) return replies.invalid({ file: names.required });
  if (!looksLikeZip(file.head)) {
    const shown = file.name.replace(/(\.\w+)?$/, `_${randomId().slice(0, 10)}$1`);
    return replies.invalid({
      file: { code: "validation_invalid_mime_type", message: `"${shown}" mime type must be one of: application/zip.` },
    });
  }
  const length = new TextEncoder().encode(file.name).length;
  if (strikes.s3Down || world.backups.has(file.name) || file.name.endsWith(".attrs") || length > 255)
    return replies.invalid({ file: names.fileExists });
  // The store writes NAME.<hex>.tmp and NAME.attrs first, which a file system of 255 bytes a name refuses.
  if (length > 234) return replies.error("EUPLOAD");
  world.store(file.name, await world.prepared(file.content), now);
  received.push({ key: file.name, size: file.size, sha256: file.sha256 });
  return replies.none();
}

export async function download(turn: Turn, key: string, admitted: boolean): Promise<Response> {
  const { world, replies, request, strikes } = turn;
  if (!admitted) return replies.error("E403DL");
  if (strikes.vanish) world.backups.delete(key);
  const stored = world.backups.get(key);
  if (replies.old && request.method === "HEAD") return replies.error("E404");
  if (key.endsWith(".attrs") || (world.s3 && !stored) || strikes.s3Down) return replies.error("EGEN");
  if (!stored) {
    const raw = `Failed to retrieve backup item. Raw error: \nblob (key "${key}") (code=NotFound): stat /srv/pb/pb_data/backups/${key}: no such file or directory.`;
    return replies.old ? replies.raw(400, raw) : replies.error("E404");
  }
  if (strikes.swap) {
    const seed = Math.floor(turn.now) ^ stored.content.size;
    stored.content = generated(seed, stored.content.size);
    if (!strikes.swap.sameSecond) stored.modified += 2000;
  }
  return serve(request, key, stored, replies, strikes);
}

export function remove({ world, replies, strikes }: Turn, key: string): Response {
  if (world.lock !== null && world.lock === key) return replies.error("EUSED");
  const raw = (text: string) => replies.raw(400, `Invalid or already deleted backup file. Raw error: \n${text}`);
  if (strikes.s3Down)
    return raw(
      `[key: ${key}] Delete "http://127.0.0.1:1/bk/${key}": dial tcp 127.0.0.1:1: connect: connection refused.`,
    );
  if (!world.backups.has(key)) {
    if (world.s3) return replies.none();
    return raw(`[key: ${key}] remove /srv/pb/pb_data/backups/${key}: no such file or directory\nresource not found.`);
  }
  world.backups.delete(key);
  return replies.none();
}

export function restore({ world, replies, now, strikes }: Turn, key: string): Response {
  if (world.lock !== null) return replies.error("ELOCK");
  if (!world.backups.has(key) || strikes.s3Down) return replies.error("EMISS");
  if (strikes.neverComesBack) {
    world.later(now + world.pace.restoreDelay, () => {
      world.downUntil = Number.POSITIVE_INFINITY;
    });
  } else if (!strikes.lyingRestore) world.restore(now, key, strikes.silentRestoreFailure !== undefined);
  return replies.none();
}
