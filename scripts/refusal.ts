/** Why a script cannot go on: one sentence for the person at the terminal, with what to do. Never holds a secret. */
export class Refusal extends Error {}

const NOT_OURS = "is closed to this user: make it your own, or run this as its owner.";
const notOfFiles = /^(spawn|listen|bind|connect|kill)/;
const readOnly = (path: string) =>
  `${path} lies on a read-only file system: mount it for writing, or use a folder elsewhere.`;

/** What a file system says no with, and the way out. */
const fileRefusals: Record<string, (path: string) => string> = {
  EACCES: (path) => `${path} ${NOT_OURS}`,
  EPERM: (path) => `${path} ${NOT_OURS}`,
  // Node's answer for a folder with its parents on a read-only file system.
  "ENOENT mkdir": readOnly,
  EROFS: readOnly,
  ENOSPC: (path) => `There is no room for ${path}, the disk is full: make room, then try again.`,
  EDQUOT: (path) => `There is no room for ${path}, the quota is used up: make room, then try again.`,
  EEXIST: (path) => `${path} is a file where a folder is needed: use another one.`,
  ENOTDIR: (path) => `${path} lies below a file where a folder is needed: use another one.`,
};

/** A file system's no as a sentence about the file it names, else about `path`; any other error as it came. */
export function asRefusal(error: unknown, path = "what is written"): unknown {
  const { code = "", path: named, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  const say = syscall && !notOfFiles.test(syscall) && (fileRefusals[code] ?? fileRefusals[`${code} ${syscall}`]);
  return say ? new Refusal(say(named ?? path)) : error;
}

/**
 * Runs a script's body: a refusal or a file system's no ends it with its sentence and code 1, any other error is a bug
 * and shows its stack.
 */
export async function runScript(body: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await body();
  } catch (thrown) {
    const error = asRefusal(thrown);
    if (error instanceof Refusal) console.error(error.message);
    else console.error(error);
    process.exitCode = 1;
  }
}
