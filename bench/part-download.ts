import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import type { Healing } from "../src/transfers/download-call.ts";
import { startBareWorker } from "./bare-worker.ts";
import { requestText } from "./load.ts";
import { nginxBinary, nginxes, startNginx } from "./nginx.ts";
import { atLeast, type Part, type Setting, type Target } from "./part.ts";
import type { Subject } from "./request-rounds.ts";
import { fileToken, type Server, startRegisteredRelay, startServer } from "./stage.ts";
import { downloadOnce, speedRatio, transferRounds, transferTable } from "./transfer-rounds.ts";

const KEY = "bench.zip";
/** To nginx as a reverse proxy. */
const wanted: Record<Healing, number> = { off: 1.5, exact: 1.2, segments: 1.5 };
const modes = Object.keys(wanted) as Healing[];

/** A file of zeros that takes no room on the disk: what is measured is moving, not reading. */
async function emptyFile(path: string, bytes: number): Promise<void> {
  await mkdir(join(path, ".."), { recursive: true });
  const file = await open(path, "w");
  await file.truncate(bytes);
  await file.close();
}

/** One table: everybody before the same origin. */
async function measure(
  { options, workFolder, say }: Setting,
  server: Server,
  origin: { name: string; url: string },
): Promise<{ text: string; targets: Target[] }> {
  const path = `/api/backups/${KEY}`;
  const plain = async () => requestText("GET", `${path}?token=${await fileToken(server)}`);
  const subjects: Subject[] = [];
  for (const mode of modes) {
    const relay = await startRegisteredRelay(server, { url: origin.url, settings: { HEALING: mode } });
    const request = () => requestText("GET", path, { Authorization: relay.key });
    subjects.push({ name: `relay, ${mode}`, peer: relay, request });
  }
  subjects.push({ name: "bare Worker", peer: await startBareWorker(workFolder, origin.url), request: plain });
  if (nginxBinary())
    for (const [name, tuned] of nginxes)
      subjects.push({ name, peer: await startNginx(workFolder, { upstream: origin.url, tuned }), request: plain });
  subjects.push({
    name: "origin directly",
    peer: { port: Number(new URL(origin.url).port), pids: () => [] },
    request: plain,
  });

  say(`${options.bytes / 1024 ** 2} MiB from ${origin.name}`);
  const { rounds, bytes } = options;
  const series = await transferRounds(subjects, downloadOnce({ bytes, expect: 200 }), { rounds, bytes });
  const peer = series.find(({ name }) => name === "nginx");
  const targets = modes.map((mode, index) => {
    const reached = peer ? speedRatio(series[index]!, peer).median : Number.NaN;
    return atLeast(`download, HEALING=${mode}, from ${origin.name}: relay × nginx`, wanted[mode], reached);
  });
  return { text: `From ${origin.name}:\n\n${transferTable(series, peer)}\n\n`, targets };
}

const part: Part = {
  title: "GET /api/backups/{key} with a key, one large file",
  async run(setting) {
    const server = await startServer();
    const file = join(server.dataDir, "backups", KEY);
    await emptyFile(file, setting.options.bytes);
    const origins = [{ name: "PocketBase", url: server.url }];
    if (nginxBinary()) {
      const light = await startNginx(setting.workFolder, {
        upstream: server.url,
        files: { [`/api/backups/${KEY}`]: file },
      });
      origins.push({ name: "nginx as the origin", url: `http://127.0.0.1:${light.port}` });
    }
    let text = `${setting.options.bytes / 1024 ** 2} MiB of zeros; a lighter origin than PocketBase leaves more of the cores to what is measured.\n\n`;
    const targets: Target[] = [];
    for (const origin of origins) {
      const measured = await measure(setting, server, origin);
      text += measured.text;
      targets.push(...measured.targets);
    }
    await server.stop();
    return { text, targets };
  },
};
export default part;
