import { existsSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { freePort } from "../scripts/ports.ts";
import { startProcess } from "../scripts/processes.ts";
import { Refusal } from "../scripts/refusal.ts";
import type { Peer } from "./peer.ts";
import { childrenOf } from "./usage.ts";

/** nginx's program, or null where it is not installed (Debian: `nginx-light`). */
export const nginxBinary = (): string | null =>
  [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"]
    .map((folder) => join(folder, "nginx"))
    .find((path) => existsSync(path)) ?? null;

const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

export type NginxOptions = {
  /** Where requests go on to, without a path. */
  upstream: string;
  /** URL paths served from disk instead. */
  files?: Record<string, string>;
  /** With what its manual offers for large bodies: large buffers, no temporary files. */
  tuned?: boolean;
};

const tuning = `
      proxy_buffer_size 64k;
      proxy_buffers 16 64k;
      proxy_busy_buffers_size 256k;
      proxy_max_temp_file_size 0;
      proxy_request_buffering off;`;

/**
 * The configuration of a reverse proxy as Debian ships nginx (a worker per core, sendfile), with what every guide adds
 * for speed: kept connections to the server, HTTP/1.1 there, no body limit. Everything it writes stays in `folder`.
 */
export function nginxConfig(
  folder: string,
  port: number,
  { upstream, files = {}, tuned = false }: NginxOptions,
): string {
  const served = Object.entries(files).map(
    ([path, file]) => `    location = ${path} { alias ${file}; default_type application/zip; }`,
  );
  // Started by root it would give its workers to a user who may not read the folder.
  const user = process.getuid?.() === 0 ? "user root;\n" : "";
  return `${user}daemon off;
worker_processes auto;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  client_max_body_size 0;
${temporary.map((name) => `  ${name}_temp_path ${folder}/${name};`).join("\n")}
  upstream server { server ${new URL(upstream).host}; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
${served.join("\n")}
    location / {
      proxy_pass http://server;
      proxy_http_version 1.1;
      proxy_set_header Connection "";${tuned ? tuning : ""}
    }
  }
}
`;
}

/** Both peers that large bodies are measured against, by the name in the tables. */
export const nginxes = [
  ["nginx", false],
  ["nginx, tuned", true],
] as const;

/** Starts nginx in a folder of its own below `workFolder`, on a free port of 127.0.0.1. */
export async function startNginx(workFolder: string, options: NginxOptions): Promise<Peer> {
  const command = nginxBinary();
  if (!command) throw new Refusal("nginx is not installed (Debian: apt-get install nginx-light).");
  const folder = await mkdtemp(join(workFolder, "nginx-"));
  const port = await freePort();
  await writeFile(join(folder, "nginx.conf"), nginxConfig(folder, port, options));
  const running = startProcess({ command, args: ["-e", "stderr", "-p", folder, "-c", join(folder, "nginx.conf")] });
  for (const end = performance.now() + 5000; performance.now() < end && running.alive(); ) {
    const answer = await fetch(`http://127.0.0.1:${port}/api/health`).catch(() => null);
    await answer?.body?.cancel();
    if (answer) return { port, pids: () => [running.pid, ...childrenOf(running.pid)] };
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Refusal(`nginx did not start: ${running.log().slice(-300)}`);
}
