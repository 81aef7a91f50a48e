import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { cpus, loadavg, platform, release, totalmem } from "node:os";
import { nginxBinary } from "./nginx.ts";

const version = (name: string): string =>
  (createRequire(import.meta.url)(`${name}/package.json`) as { version: string }).version;

function nginxVersion(): string {
  const binary = nginxBinary();
  if (!binary) return "no nginx";
  // It prints its version on the error stream.
  const said = execFileSync("/bin/sh", ["-c", 'exec "$1" -v 2>&1', "sh", binary], { encoding: "utf8" });
  return `nginx ${/nginx\/(\S+)/.exec(said)?.[1] ?? "of unknown version"}`;
}

/** What the figures were measured on, in two lines. */
export function machine(): string {
  const processors = cpus();
  const gib = (totalmem() / 1024 ** 3).toFixed(0);
  return `${processors.length} cores (${processors[0]?.model.trim() ?? "unknown"}), ${gib} GiB, ${platform()} ${release()}, load ${loadavg()[0]!.toFixed(2)} at the start
workerd ${version("workerd")}, ${nginxVersion()}, Node ${process.versions.node}`;
}
