import { utf8 } from "../../../src/base/encoding.ts";
import { database } from "../archive/database.ts";
import { type ZipFile, zip } from "../archive/zip.ts";
import { type Content, literal } from "./content.ts";
import { type LogRow, ServerLog } from "./log.ts";
import { type RestoreEnd, restoreEndOf } from "./restore-end.ts";

export type Superuser = { id: string; email: string; password: string; tokenKey: string };
export type Stored = { content: Content; modified: number; type: string; restores: RestoreEnd };
export type Issued = {
  kind: "auth" | "file";
  who: "superuser" | "user";
  tokenKey: string;
  expires: number;
  refreshable: boolean;
};

type ListingCache = { superuser: Superuser; canaries: [string, string][]; logs: LogRow[] };
type Task = { at: number; run: (at: number) => void };

/** How long things take, in ms. The defaults are what was measured on small servers. */
export type Pace = { create: number; restoreDelay: number; restoreWork: number; outage: number; log: number };

export const randomId = (): string => crypto.randomUUID().replaceAll("-", "").slice(0, 15);

/**
 * The state of one fake server. Time is the caller's: everything due by `now` happens in `advance`, in its order, so a
 * test with its own clock needs no timer.
 */
export class World {
  readonly backups = new Map<string, Stored>();
  readonly tokens = new Map<string, Issued>();
  readonly log = new ServerLog();
  readonly pace: Pace;
  canaries = new Map<string, string>();
  superuser: Superuser;
  lock: string | null = null;
  s3 = false;
  mfa = false;
  /** Lists answered so far. */
  looks = 0;
  superuserIps: string[] = [];
  /** Requests before this time find nobody listening. */
  downUntil = 0;
  /** What a backup of BosBase holds: its local files, of which a fresh server has none. */
  localFiles: ZipFile[] = [];
  /** BosBase keeps records elsewhere: a restore changes none. */
  private readonly recordsElsewhere: boolean;
  private readonly snapshots = new Map<string, ListingCache>();
  private tasks: Task[] = [];

  constructor(superuser: { email: string; password: string }, pace: Partial<Pace>, recordsElsewhere: boolean) {
    this.superuser = { id: randomId(), tokenKey: randomId(), ...superuser };
    this.pace = { create: 0, restoreDelay: 1000, restoreWork: 10, outage: 40, log: 3000, ...pace };
    this.log.delayMs = this.pace.log;
    this.recordsElsewhere = recordsElsewhere;
  }

  later(at: number, run: (at: number) => void): void {
    this.tasks.push({ at, run });
  }

  advance(now: number): void {
    for (;;) {
      this.tasks.sort((a, b) => a.at - b.at);
      const due = this.tasks[0];
      if (!due || due.at > now) return;
      this.tasks.shift();
      due.run(due.at);
    }
  }

  /** An archive of the present state, its files changed at `at`, as PocketBase (or BosBase, without a database) would make it. */
  async archive(at?: number): Promise<Uint8Array<ArrayBuffer>> {
    const types = { name: "types.d.ts", data: utf8("// types\n".repeat(500)) };
    if (this.recordsElsewhere) return zip(this.localFiles, { changed: at });
    const id = randomId();
    this.snapshots.set(id, {
      superuser: { ...this.superuser },
      canaries: [...this.canaries],
      logs: [...this.log.rows],
    });
    const files = [
      { name: "data.db", data: database({ pages: 4 }) },
      { name: "auxiliary.db", data: database({ pages: 2 }) },
      // Stored, not packed: random text packs to one length or another, and archives of one state are equally long.
      { name: `storage/fake/${id}.txt`, data: utf8(id), method: 0 },
      types,
    ];
    return zip(files, { changed: at });
  }

  /** The archive of another server: whoever restores it finds other keys and another superuser. */
  async foreignArchive(superuser: { email: string; password: string }): Promise<Uint8Array<ArrayBuffer>> {
    const own = { superuser: this.superuser, canaries: this.canaries };
    this.superuser = { id: randomId(), tokenKey: randomId(), ...superuser };
    this.canaries = new Map();
    const bytes = await this.archive();
    Object.assign(this, own);
    return bytes;
  }

  async prepared(
    content: Content | Uint8Array<ArrayBuffer>,
    type = "application/zip",
  ): Promise<Omit<Stored, "modified">> {
    const held = content instanceof Uint8Array ? literal(content) : content;
    return { content: held, type, restores: await restoreEndOf(held) };
  }

  store(key: string, prepared: Omit<Stored, "modified">, at: number): void {
    this.backups.set(key, { ...prepared, modified: this.s3 ? Math.floor(at / 1000) * 1000 : at });
  }

  /** The server's goroutine: sleep, lock, extract, and then one of the four ends. */
  restore(now: number, key: string, silent: boolean): void {
    this.later(now + this.pace.restoreDelay, (started) => {
      if (this.lock !== null) {
        const error = "try again later - another backup/restore operation has already been started";
        this.log.add(started, 8, "Failed to restore backup", { error, key });
        return;
      }
      this.lock = key;
      this.later(started + this.pace.restoreWork, (at) => this.finish(at, key, silent));
    });
  }

  private finish(at: number, key: string, silent: boolean): void {
    this.lock = null;
    const missing = {
      ends: "failed",
      error: `open /srv/pb/pb_data/backups/${key}: no such file or directory`,
    } as const;
    const end = this.backups.get(key)?.restores ?? missing;
    if (silent) return;
    if (end.ends === "failed") {
      this.log.add(at, 8, "Failed to restore backup", { error: end.error, key });
      return;
    }
    this.downUntil = end.ends === "killed" && !this.recordsElsewhere ? Number.POSITIVE_INFINITY : at + this.pace.outage;
    if (this.recordsElsewhere || end.ends === "killed") return;
    const known = end.ends === "restored" && end.snapshot ? this.snapshots.get(end.snapshot) : undefined;
    this.superuser = known
      ? { ...known.superuser }
      : { id: randomId(), email: "", password: randomId(), tokenKey: randomId() };
    this.canaries = new Map(known?.canaries ?? []);
    this.log.replace(known?.logs ?? []);
  }
}
