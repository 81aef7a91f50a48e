import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mintKey } from "../test/harness/relay-client.ts";
import { startBareWorker } from "./bare-worker.ts";
import { startCountingProxy } from "./counting-proxy.ts";
import { load, requestText } from "./load.ts";
import { nginxBinary, startNginx } from "./nginx.ts";
import { atLeast, type Part, type Target } from "./part.ts";
import { requestRounds, type Subject } from "./request-rounds.ts";
import { requestTable } from "./request-table.ts";
import { fileToken, type Relay, type Server, startRegisteredRelay, startServer } from "./stage.ts";
import { pairRatios } from "./statistics.ts";
import { storedTransactions, transactionsBetween } from "./stored-transactions.ts";

const KEY = "bench.zip";
/** To the bare Worker, at that many connections. */
const wanted = [
  { concurrency: 1, ratio: 0.6 },
  { concurrency: 16, ratio: 0.45 },
];
const COUNTED = 2000;

const throughRelay = (key: string): string => requestText("HEAD", `/api/backups/${KEY}`, { Authorization: key });

/** Write transactions and upstream calls of reads in a row, within the minute in which uses are kept in memory. */
async function counted(server: Server, relay: Relay): Promise<string> {
  const read = (each: Relay, most: number) =>
    load({ port: each.port, request: throughRelay(each.key), expect: 200, concurrency: 16, seconds: 60, most });
  await read(relay, 50);
  const before = storedTransactions(relay.dataDir);
  await read(relay, COUNTED);
  const after = storedTransactions(relay.dataDir);
  await mintKey(relay);
  const [reads, mint] = [
    transactionsBetween(before, after),
    transactionsBetween(after, storedTransactions(relay.dataDir)),
  ];

  const proxy = await startCountingProxy(server.port);
  const watched = await startRegisteredRelay(server, { url: proxy.url });
  await read(watched, 50);
  proxy.calls.length = 0;
  await read(watched, COUNTED);
  const heads = proxy.calls.filter((call) => call === `HEAD /api/backups/${KEY}`).length;
  const others = proxy.calls.length - heads;
  await watched.stop();
  await proxy.stop();
  return `${COUNTED} reads: ${reads} write transactions in all databases of the relay (minting one key: ${mint}); ${heads} HEAD and ${others} other calls to the server.`;
}

const part: Part = {
  title: "HEAD /api/backups/{key} with a key",
  async run({ options, workFolder, say }) {
    const server = await startServer();
    const backups = join(server.dataDir, "backups");
    await mkdir(backups, { recursive: true });
    await writeFile(join(backups, KEY), Buffer.alloc(65_536, "PK"));
    const relay = await startRegisteredRelay(server);
    say("counting writes and upstream calls");
    const counts = await counted(server, relay);

    const plain = async () => requestText("HEAD", `/api/backups/${KEY}?token=${await fileToken(server)}`);
    const bare = await startBareWorker(workFolder, server.url);
    const subjects: Subject[] = [
      { name: "relay", peer: relay, request: () => throughRelay(relay.key) },
      { name: "bare Worker", peer: bare, request: plain },
      { name: "server directly", peer: server, request: plain },
    ];
    if (nginxBinary()) {
      const nginx = await startNginx(workFolder, { upstream: server.url });
      subjects.splice(2, 0, { name: "nginx", peer: nginx, request: plain });
    }
    const targets: Target[] = [];
    let text = "";
    for (const { concurrency, ratio } of wanted) {
      say(`concurrency ${concurrency}`);
      const series = await requestRounds(subjects, { ...options, concurrency, expect: 200 });
      text += `Concurrency ${concurrency}:\n\n${requestTable(series)}\n\n`;
      const reached = pairRatios(series[0]!.perSecond, series[1]!.perSecond).median;
      targets.push(atLeast(`HEAD, concurrency ${concurrency}: relay ÷ bare Worker`, ratio, reached));
    }
    await relay.stop();
    await server.stop();
    return { text: `${text}${counts}\n`, targets };
  },
};
export default part;
