import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { defaultVersion } from "../../scripts/pocketbase-versions.ts";
import { fill } from "../harness/backups-folder.ts";
import { raw } from "../harness/clients.ts";
import { openStages, type Stage, versions } from "../harness/conformance/sides.ts";
import { admin } from "../harness/relay-client.ts";

let opened: Awaited<ReturnType<typeof openStages>>;
const stageOf = (version: string) => opened.stages.find((stage) => stage.version === version)!;
beforeAll(async () => {
  opened = await openStages("backups:list");
});
afterAll(() => opened?.close());

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const MANY = 10_000;

/** Records with files that do not compress, so that the archive is some MiB. */
async function fillWithData(stage: Stage): Promise<void> {
  const { pb } = stage.direct.superuser;
  await pb.collections.create({
    name: "documents",
    type: "base",
    fields: [
      { name: "title", type: "text" },
      { name: "file", type: "file", maxSelect: 1, maxSize: 10 << 20 },
    ],
  });
  for (let at = 0; at < 5; at++) {
    const bytes = new Uint8Array(1 << 20);
    for (let start = 0; start < bytes.length; start += 65_536)
      crypto.getRandomValues(bytes.subarray(start, start + 65_536));
    await pb.collection("documents").create({ title: `document ${at} é`, file: new File([bytes], `file-${at}.bin`) });
  }
}

describe.each(versions)("a backup's way through the relay, PocketBase %s", (version) => {
  it("made, downloaded and reassembled from ranges it is the server's own file, byte for byte", async () => {
    const stage = stageOf(version);
    await stage.store.reset([]);
    await fillWithData(stage);
    const { pb } = stage.behind.superuser;
    await pb.backups.create("whole.zip");
    const own = await stage.store.read("whole.zip");
    expect(own.length).toBeGreaterThan(5 << 20);
    expect(await pb.backups.getFullList()).toMatchObject([{ key: "whole.zip", size: own.length }]);

    const url = new URL(pb.backups.getDownloadURL(await pb.files.getToken(), "whole.zip"));
    const path = url.pathname + url.search;
    const whole = await raw(stage.relay.url, "GET", path);
    expect(sha256(whole.bytes)).toBe(sha256(own));

    const date = whole.headers.get("last-modified")!;
    const pieces: Buffer[] = [];
    for (let start = 0; start < own.length; start += 1_000_003) {
      const range = `bytes=${start}-${start + 1_000_002}`;
      const piece = await raw(stage.relay.url, "GET", path, { headers: { range, "if-range": date } });
      expect(piece.status).toBe(206);
      pieces.push(piece.bytes);
    }
    expect(sha256(Buffer.concat(pieces))).toBe(sha256(own));
  });

  it("uploaded back under another name it is the same file still", async () => {
    const stage = stageOf(version);
    const own = await stage.store.read("whole.zip");
    const { pb } = stage.behind.superuser;
    await pb.backups.upload({ file: new File([new Uint8Array(own)], "copy é.zip") });
    expect(await stage.store.names()).toEqual(["copy é.zip", "whole.zip"]);
    expect(sha256(await stage.store.read("copy é.zip"))).toBe(sha256(own));
    const answer = await fetch(pb.backups.getDownloadURL(await pb.files.getToken(), "copy é.zip"));
    expect(sha256(new Uint8Array(await answer.arrayBuffer()))).toBe(sha256(own));
    await pb.backups.delete("copy é.zip");
    expect(await stage.store.names()).toEqual(["whole.zip"]);
  });
});

it("a backup among 10,000 is found, listed as the server lists it, and taken out", async () => {
  const stage = stageOf(defaultVersion);
  await stage.store.reset([]);
  await fill(stage.store, "many", MANY);
  const { pb } = stage.behind.superuser;
  const listed = await pb.backups.getFullList();
  expect(listed.length).toBe(MANY);
  expect(listed).toEqual(await stage.direct.superuser.pb.backups.getFullList());
  const page = await admin(stage.relay, "/v1/backups?limit=2&sort=key", { instance: stage.instance });
  expect(await page.json()).toMatchObject({ items: [{ key: "many-00000.zip" }, { key: "many-00001.zip" }] });
  await pb.backups.delete("many-09999.zip");
  expect((await pb.backups.getFullList()).length).toBe(MANY - 1);
});
