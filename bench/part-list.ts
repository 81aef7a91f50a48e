import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startBareWorker } from "./bare-worker.ts";
import { requestText } from "./load.ts";
import { nginxBinary, startNginx } from "./nginx.ts";
import type { Part } from "./part.ts";
import { requestRounds, type Subject } from "./request-rounds.ts";
import { requestTable } from "./request-table.ts";
import { startRegisteredRelay, startServer } from "./stage.ts";
import { peakBytes } from "./usage.ts";

const stages = [
  { backups: 1_000, concurrency: 1 },
  { backups: 10_000, concurrency: 1 },
  { backups: 10_000, concurrency: 4 },
];

async function fill(folder: string, from: number, to: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (let at = from; at < to; at++)
    await writeFile(join(folder, `pb_backup_acme_${String(20_260_000_000_000 + at)}.zip`), "PK\x05\x06");
}

const part: Part = {
  title: "GET /api/backups with a key",
  async run({ options, workFolder, say }) {
    const server = await startServer();
    const bare = await startBareWorker(workFolder, server.url);
    const nginx = nginxBinary() ? await startNginx(workFolder, { upstream: server.url }) : null;
    let text = "";
    let known = 0;
    for (const { backups, concurrency } of stages) {
      say(`${backups} backups, concurrency ${concurrency}`);
      await fill(join(server.dataDir, "backups"), known, backups);
      known = backups;
      // A relay of its own for each: backups that are there when a server is registered are not inspected.
      const relay = await startRegisteredRelay(server);
      const token = await server.token();
      const plain = () => requestText("GET", "/api/backups", { Authorization: token });
      const subjects: Subject[] = [
        { name: "relay", peer: relay, request: () => requestText("GET", "/api/backups", { Authorization: relay.key }) },
        { name: "bare Worker", peer: bare, request: plain },
        ...(nginx ? [{ name: "nginx", peer: nginx, request: plain }] : []),
        { name: "server directly", peer: server, request: plain },
      ];
      const series = await requestRounds(subjects, { ...options, concurrency, expect: 200 });
      const size = (series[0]!.bodyBytes / 1024).toFixed(0);
      const peak = (peakBytes(relay.pid) / 1024 ** 2).toFixed(0);
      text += `${backups} backups (${size} KiB), concurrency ${concurrency}:\n\n${requestTable(series)}\n\nThe relay's peak memory: ${peak} MiB.\n\n`;
      await relay.stop();
    }
    await server.stop();
    return {
      text: `${text}Callers that ask at the same time may share one list of the server's, so the relay can be faster than the server itself.\n`,
      targets: [],
    };
  },
};
export default part;
