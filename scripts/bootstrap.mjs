import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/*
 * Starts a script with the project's own Node 24, which runs TypeScript as it is, from any Node (20 or newer) and with
 * nothing installed. Only node's own modules are imported here.
 */

export const root = fileURLToPath(new URL("..", import.meta.url));
const at = (...parts) => join(root, ...parts);
const onWindows = process.platform === "win32";

const QUIET = ["--no-audit", "--no-fund", "--loglevel=error"];
/** With npm's own values an unreachable registry costs minutes. */
const FEW_RETRIES = ["--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"];

/** Ends the process with one sentence; the exit code says that nothing was done. */
function refuse(sentence) {
  console.error(sentence);
  process.exit(1);
}

/**
 * Whether node_modules holds what package-lock.json names: every package at its version; those that are for another
 * platform may be absent. npm keeps its own record in node_modules/.package-lock.json.
 */
export function isInstalled(lockText, installedText) {
  if (installedText === null) return false;
  const wanted = JSON.parse(lockText).packages;
  const present = JSON.parse(installedText).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "") return true;
    return present[path] ? present[path].version === entry.version : entry.optional === true;
  });
}

/** What went wrong in `npm ci`, in one sentence with what to do. */
export function installProblem(words, registry) {
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT/.test(words))
    return `The npm registry ${registry} cannot be reached: check the network or the proxy (npm config get proxy), then try again.`;
  if (/ENOSPC/.test(words)) return "The disk is full: npm ci needs about 600 MB; make room, then try again.";
  if (/EACCES|EPERM/.test(words))
    return "npm ci may not write here: make the project's folder your own (see the path above), then try again.";
  if (/EINTEGRITY/.test(words))
    return "A package differs from what package-lock.json pins: do not use it; clear the cache (npm cache clean --force) and try again.";
  return "npm ci failed; its own words stand above. Mend that, then try again.";
}

const readOrNull = (path) => (existsSync(path) ? readFileSync(path, "utf8") : null);

/** Runs the npm that started this script, else the one on PATH; resolves with the exit code and its error output. */
function npm(args, cwd) {
  const own = process.env.npm_execpath;
  const [command, first] = own && /\.c?js$/.test(own) ? [process.execPath, [own]] : [onWindows ? "npm.cmd" : "npm", []];
  return new Promise((resolve) => {
    const child = spawn(command, [...first, ...args], { cwd, stdio: ["ignore", "inherit", "pipe"], shell: onWindows });
    let words = "";
    child.stderr.on("data", (chunk) => {
      words += chunk;
      process.stderr.write(chunk);
    });
    let stopped = false;
    const stop = () => {
      stopped = true;
      child.kill("SIGTERM");
    };
    process.on("SIGINT", stop).on("SIGTERM", stop);
    child.on("error", () => resolve({ code: -1, words }));
    child.on("close", (code) => {
      process.off("SIGINT", stop).off("SIGTERM", stop);
      if (stopped) process.exit(130);
      resolve({ code: code ?? 1, words });
    });
  });
}

async function install() {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  console.error("Installing the pinned packages with npm ci (about 500 MB; a minute on a good line) …");
  const beat = setInterval(() => console.error(`  … still installing, ${seconds()} s`), 15_000);
  const { code, words } = await npm(["ci", ...QUIET, ...FEW_RETRIES], root);
  clearInterval(beat);
  if (code === -1) refuse("npm is not on PATH: it comes with Node (https://nodejs.org); install it, then try again.");
  if (code !== 0) {
    const asked = /request to (https?:\/\/[^/\s]+)/.exec(words)?.[1];
    refuse(installProblem(words, asked ?? process.env.npm_config_registry ?? "https://registry.npmjs.org"));
  }
  console.error(`Installed in ${seconds()} s.`);
}

/** The Node that runs the TypeScript: the pinned one, else the caller's when it is new enough. */
async function findNode() {
  const pinned = at("node_modules", "node", "bin", onWindows ? "node.exe" : "node");
  if (existsSync(pinned)) return pinned;
  const [major] = process.versions.node.split(".").map(Number);
  if (major >= 24) return process.execPath;
  console.error("npm ran no install scripts, so the pinned Node is missing; fetching it …");
  await npm(["rebuild", "node", "--ignore-scripts=false", ...QUIET, ...FEW_RETRIES], root);
  if (existsSync(pinned)) return pinned;
  return refuse(
    `The pinned Node 24 could not be installed and this is Node ${process.versions.node}: run "npm rebuild node", or use Node 24 or newer.`,
  );
}

/** The parent of a process and its program's name, null when it cannot be found. */
function lookUp(pid) {
  try {
    const fields = execFileSync("ps", ["-o", "ppid=,comm=", "-p", String(pid)], { encoding: "utf8" }).trim();
    const [parent, ...name] = fields.split(/\s+/);
    return { parent: Number(parent), name: name.join(" ") };
  } catch {
    return lookUpInProc(pid);
  }
}

/** The same where there is no ps, as in slim containers. */
function lookUpInProc(pid) {
  try {
    const [, name, rest] = /\((.*)\) (.*)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"));
    return { parent: Number(rest.split(" ")[1]), name };
  } catch {
    return null;
  }
}

/** Whether a process still runs. */
function isRunning(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === "EPERM";
  }
}

/**
 * Under npm: calls `end` when npm is gone. npm starts a script through a shell that passes no signal on, so ending npm
 * alone would leave everything running. The shell may have replaced itself by this process; then npm is the parent.
 */
function onOrphaned(end) {
  if (!process.env.npm_lifecycle_event || onWindows) return;
  const parent = process.ppid;
  const about = lookUp(parent);
  const npmItself = about && /(^|\/)-?(ba|da|a|z|k)?sh$/.test(about.name) ? about.parent : parent;
  const watch = setInterval(() => {
    if (process.ppid === parent && isRunning(npmItself)) return;
    clearInterval(watch);
    end();
  }, 250);
}

/**
 * Installs what is missing and runs `script` (a path from the project's root) with Node 24 in the same terminal.
 * Signals are passed on to it; when this process dies, the closed channel ends it (`shutdown.ts`).
 */
export async function bootstrap(script, args) {
  const [major] = process.versions.node.split(".").map(Number);
  if (major < 20)
    refuse(`This is Node ${process.versions.node}; the project needs Node 20 or newer (https://nodejs.org).`);
  const lock = readFileSync(at("package-lock.json"), "utf8");
  if (!isInstalled(lock, readOrNull(at("node_modules", ".package-lock.json")))) await install();
  const node = await findNode();
  const bins = at("node_modules", ".bin");
  // Without the dashes node would read the script's own --env-file.
  const child = spawn(node, ["--disable-warning=ExperimentalWarning", "--", at(script), ...args], {
    cwd: process.cwd(),
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: { ...process.env, PATH: `${bins}${delimiter}${process.env.PATH ?? ""}` },
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  onOrphaned(() => child.kill("SIGTERM"));
  child.on("error", (error) => refuse(`Node 24 does not start (${error.message}): delete node_modules and try again.`));
  child.on("close", (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : code));
}
