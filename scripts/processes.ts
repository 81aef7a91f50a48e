import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { Refusal } from "./refusal.ts";

/** A program we started, in a process group of its own. */
export type Running = {
  pid: number;
  /** Resolves when the program has ended and its output is complete; never rejects. */
  exited: Promise<{ code: number }>;
  /** Whether it still runs. */
  alive(): boolean;
  /** What it printed (both streams), the last 1 MiB. */
  log(): string;
  /** A signal for the program alone; none when it has ended. */
  signal(name: NodeJS.Signals): void;
  /** SIGTERM to its whole group, SIGKILL after `graceMs`; resolves when nothing of the group is left. */
  end(graceMs?: number): Promise<void>;
  child: ChildProcess;
};

export type Start = {
  command: string;
  args?: string[];
  cwd?: string;
  /** The whole environment; nothing else is inherited. */
  env?: NodeJS.ProcessEnv;
  /** One more pipe from the program, as its descriptor 3. */
  pipe3?: boolean;
  /** Files it makes can be read by its own user alone. */
  private?: boolean;
  /** Called with each piece of output as it comes. */
  onOutput?(text: string): void;
};

const LOG_LIMIT = 1 << 20;
const onWindows = process.platform === "win32";

/** Signals a whole group; one that has ended already is no error. */
function signalGroup(pid: number, name: NodeJS.Signals): void {
  if (onWindows) {
    spawn("taskkill", ["/pid", String(pid), "/t", "/f"], { stdio: "ignore" });
    return;
  }
  try {
    process.kill(-pid, name);
  } catch {
    // ESRCH: the group has ended.
  }
}

/**
 * A shell that kills the group when this process dies: its input then closes without the word it waits for. So even a
 * script that is killed with -9 leaves no process behind.
 */
function deadManSwitch(pid: number): ChildProcess | null {
  if (onWindows) return null;
  const shell = spawn("/bin/sh", ["-c", 'read -r word || kill -9 -"$1"', "dead-man-switch", String(pid)], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  shell.unref();
  shell.on("error", () => {});
  shell.stdin?.on("error", () => {});
  (shell.stdin as unknown as { unref?(): void })?.unref?.();
  return shell;
}

let ending = false;

/** Starts a program. A program that cannot be started at all ends with code 127 and the reason in its log. */
export function startProcess(start: Start): Running {
  if (ending) throw new Refusal("Ending.");
  const mask = start.private ? process.umask(0o077) : null;
  const child = spawn(start.command, start.args ?? [], {
    cwd: start.cwd,
    env: start.env ?? process.env,
    detached: !onWindows,
    stdio: ["ignore", "pipe", "pipe", start.pipe3 ? "pipe" : "ignore"],
  });
  if (mask !== null) process.umask(mask);
  let text = "";
  const keep = (chunk: Buffer | string) => {
    const piece = String(chunk);
    text = (text + piece).slice(-LOG_LIMIT);
    start.onOutput?.(piece);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  const pid = child.pid ?? 0;
  const guard = pid ? deadManSwitch(pid) : null;
  let ended = pid === 0;
  const exited = new Promise<{ code: number }>((resolve) => {
    let code = 127;
    const settle = () => {
      running.delete(self);
      resolve({ code });
    };
    child.once("error", (error) => {
      keep(`${error.message}\n`);
      if (!pid) settle();
    });
    child.once("exit", (status, signal) => {
      ended = true;
      code = signal ? 128 + constants.signals[signal] : (status ?? 1);
      if (!onWindows) signalGroup(pid, "SIGKILL");
      guard?.stdin?.end("ended\n");
      // A descendant that left the group could keep the output open.
      setTimeout(settle, 1000).unref();
    });
    child.once("close", settle);
  });
  const self: Running = {
    pid,
    child,
    exited,
    alive: () => !ended,
    log: () => text,
    signal: (name) => {
      if (!ended) child.kill(name);
    },
    end: async (graceMs = 5000) => {
      if (!ended) signalGroup(pid, "SIGTERM");
      const timer = setTimeout(() => signalGroup(pid, "SIGKILL"), graceMs);
      await exited;
      clearTimeout(timer);
    },
  };
  if (pid) running.add(self);
  return self;
}

const running = new Set<Running>();

/** Ends every program started here that still runs, whatever it was doing. */
export async function endRunningProcesses(graceMs?: number): Promise<void> {
  await Promise.all([...running].map((one) => one.end(graceMs)));
}

/** The same, and lets no new one start. */
export async function endAllProcesses(graceMs?: number): Promise<void> {
  ending = true;
  await endRunningProcesses(graceMs);
}

/** Runs a program to its end. */
export async function runProcess(start: Start): Promise<{ code: number; log: string }> {
  const running = startProcess(start);
  const { code } = await running.exited;
  return { code, log: running.log() };
}
