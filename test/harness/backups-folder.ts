import { copyFile, mkdir, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The folder in which a PocketBase keeps its backups, handled behind its back so that both sides of a comparison start alike. */
export type Store = {
  folder: string;
  /** Bytes of the one real backup that every fixture is a copy of. */
  sample: Buffer;
  /** Empties the folder and puts a copy of the sample under each name, all with the same time. */
  reset(names: readonly string[]): Promise<void>;
  /** What lies there, without the server's own `.attrs` files; the digits of generated names read `<stamp>`. */
  names(): Promise<string[]>;
  read(name: string): Promise<Buffer>;
};

/** Whole seconds, as in `Last-Modified`; long enough ago that no server or relay takes the file for one being written. */
export const fixtureTime = new Date("2026-05-19T16:25:57.000Z");

/** Takes over the one backup `sampleName` that the server itself has just made. */
export async function takeStore(dataDir: string, sampleName: string): Promise<Store> {
  const folder = join(dataDir, "backups");
  const kept = join(dataDir, "..", "sample");
  await mkdir(kept, { recursive: true });
  await copyFile(join(folder, sampleName), join(kept, "zip"));
  await copyFile(join(folder, `${sampleName}.attrs`), join(kept, "attrs"));
  return {
    folder,
    sample: await readFile(join(kept, "zip")),
    async reset(names) {
      await inTurns(await readdir(folder), (name) => rm(join(folder, name), { recursive: true }));
      for (const name of names) {
        await copyFile(join(kept, "zip"), join(folder, name));
        await copyFile(join(kept, "attrs"), join(folder, `${name}.attrs`));
        await utimes(join(folder, name), fixtureTime, fixtureTime);
      }
    },
    names: async () => shownNames(await readdir(folder)),
    read: (name) => readFile(join(folder, name)),
  };
}

const shownNames = (found: string[]): string[] =>
  found
    .filter((name) => !name.endsWith(".attrs"))
    .map((name) => name.replace(/^(pb_backup_\w*)_\d{14}\.zip$/, "$1_<stamp>.zip"))
    .sort();

/** Fills the folder with `count` small files `NAME-00000.zip` and so on. */
export function fill(store: Store, name: string, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, at) => `${name}-${String(at).padStart(5, "0")}.zip`);
  return inTurns(names, (each) => writeFile(join(store.folder, each), "PK"));
}

/** Many small things to do on the disk, 64 at once. */
async function inTurns(names: readonly string[], act: (name: string) => Promise<void>): Promise<void> {
  for (let at = 0; at < names.length; at += 64) await Promise.all(names.slice(at, at + 64).map(act));
}
