import { rm } from "node:fs/promises";
import { join } from "node:path";
import { startBareWorker } from "./bare-worker.ts";
import { requestText } from "./load.ts";
import { nginxBinary, nginxes, startNginx } from "./nginx.ts";
import type { Part } from "./part.ts";
import type { Peer } from "./peer.ts";
import type { Subject } from "./request-rounds.ts";
import { type Sending, send } from "./send.ts";
import { startRegisteredRelay, startServer } from "./stage.ts";
import { type Move, transferRounds, transferTable } from "./transfer-rounds.ts";

const BOUNDARY = "----bench-boundary-4b1f0c";

/** How a subject is sent the file under a name. */
type Way = (name: string, bytes: number) => Omit<Sending, "port" | "bytes">;

const asForm =
  (authorization: string): Way =>
  (name, bytes) => {
    const before = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: application/zip\r\n\r\n`;
    const after = `\r\n--${BOUNDARY}--\r\n`;
    const head = requestText("POST", "/api/backups/upload", {
      Authorization: authorization,
      "Content-Type": `multipart/form-data; boundary=${BOUNDARY}`,
      "Content-Length": String(before.length + bytes + after.length),
    });
    return { head, before, after, expect: 204 };
  };

const asBody =
  (authorization: string): Way =>
  (name, bytes) => ({
    head: requestText("PUT", `/v1/backups/${name}`, {
      Authorization: authorization,
      "Content-Length": String(bytes),
    }),
    expect: 201,
  });

const part: Part = {
  title: "POST /api/backups/upload and PUT /v1/backups/{key}, one large file into PocketBase",
  async run({ options, workFolder, say }) {
    const server = await startServer();
    const relay = await startRegisteredRelay(server);
    const direct = asForm(await server.token());
    const subjects: (Subject & { way: Way })[] = [];
    const add = (name: string, peer: Peer, way: Way) => subjects.push({ name, peer, way, request: () => "" });
    add("relay, form", relay, asForm(relay.key));
    add("relay, PUT", relay, asBody(relay.key));
    add("bare Worker", await startBareWorker(workFolder, server.url), direct);
    if (nginxBinary())
      for (const [name, tuned] of nginxes)
        add(name, await startNginx(workFolder, { upstream: server.url, tuned }), direct);
    add("server directly", server, direct);

    const { rounds, bytes } = options;
    let made = 0;
    const move: Move = async (subject) => {
      const { way } = subject as (typeof subjects)[number];
      const name = `bench_${++made}.zip`;
      const sent = await send({ port: subject.peer.port, bytes, ...way(name, bytes) });
      await rm(join(server.dataDir, "backups", name));
      return sent;
    };
    say(`${bytes / 1024 ** 2} MiB`);
    const series = await transferRounds(subjects, move, { rounds, bytes });
    await relay.stop();
    await server.stop();
    const peer = series.find(({ name }) => name === "nginx");
    return {
      text: `${bytes / 1024 ** 2} MiB; PocketBase writes every upload twice, so much of the time is its own.\n\n${transferTable(series, peer)}\n`,
      targets: [],
    };
  },
};
export default part;
