import { chmodSync, type Dirent, lstatSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { asRefusal, Refusal } from "./refusal.ts";

/** Bits that let anybody but the owner in. */
const OTHERS = 0o077;

/** Where the file system or its owner does not let us, as on a volume that a group shares: what lies in it is ours. */
function close(path: string, mode: number): void {
  try {
    if ((lstatSync(path).mode & OTHERS) !== 0) chmodSync(path, mode);
  } catch (error) {
    if (!["EPERM", "ENOENT", "ENOTSUP"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

function closeAll(folder: string, into: (name: string) => boolean): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    // Links are left alone: what they lead to may be anybody's.
    if (entry.isFile()) close(path, 0o600);
    if (!entry.isDirectory() || !into(entry.name)) continue;
    close(path, 0o700);
    closeAll(path, () => true);
  }
}

/**
 * Makes a folder, or takes one over as it is, and closes it to all other users: 0700 for it and for folders that `ours`
 * knows by name, 0600 for their files. Refuses one that is open to others and holds somebody else's folders: a home or a
 * system's folder would be of no use to anybody once it is closed.
 */
export function privateFolder(folder: string, ours: (name: string) => boolean): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { mode } = lstatSync(join(folder, "."));
    const foreign = (entry: Dirent) => entry.isDirectory() && !ours(entry.name) && entry.name !== "lost+found";
    const [other] = readdirSync(folder, { withFileTypes: true }).filter(foreign);
    if (other && (mode & OTHERS) !== 0)
      throw new Refusal(
        `${folder} holds other things (${other.name}) and is open to other users: choose a folder of its own, or close this one (chmod 700).`,
      );
    close(folder, 0o700);
    closeAll(folder, ours);
  } catch (error) {
    throw asRefusal(error, folder);
  }
}
