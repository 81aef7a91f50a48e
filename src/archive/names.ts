import type { Entry } from "./central-directory.ts";
import { type EntryName, quotedName } from "./entry-name.ts";
import { type Finding, finding } from "./finding.ts";

/**
 * The files a server opens when it starts. A folder of that name keeps it from starting (seen on 0.40.6 and 0.39.11).
 */
const SERVER_FILES = ["data.db", "data.db-wal", "auxiliary.db", "auxiliary.db-wal"] as const;
export type ServerFile = (typeof SERVER_FILES)[number];

/** What a server's own backup keeps at the top of its data folder, besides what people put there. */
const OWN_NAMES = [
  "storage",
  ...["data.db", "auxiliary.db", "logs.db"].flatMap((file) => [file, `${file}-wal`, `${file}-shm`]),
];

type NameDefect = "name_misplaced" | "name_unsafe" | "name_twice" | "name_conflict" | "links";

/** Which of the server's files an entry becomes when it is unpacked; their case counts, `./data.db` is `data.db`. */
export function serverFile({ text, normal }: EntryName, kind: Entry["kind"]): ServerFile | null {
  const name = SERVER_FILES.find((file) => file === normal);
  return name && kind === "file" && text.endsWith(name) ? name : null;
}

/**
 * Whether the server would unpack it elsewhere than a backup of its own does. It takes names as they are: a backslash is a
 * part of the file's name (`storage\\a\\b.png` lies beside the folder `storage`, and the upload is lost), and `Storage` is
 * not `storage` (seen on 0.40.6).
 */
function isMisplaced({ text }: EntryName): boolean {
  if (text.includes("\\")) return true;
  const top = text.split("/").find((segment) => segment !== "" && segment !== ".");
  return top !== undefined && !OWN_NAMES.includes(top) && OWN_NAMES.includes(meant(top));
}

/** What a person reads in a name: without blanks around it, and whatever its case and form. */
const meant = (name: string): string => name.normalize("NFKC").trim().toLowerCase();

/**
 * All names of an archive, held in normal form to find those that come twice or are file and folder at once: about 150
 * bytes each, so some 30 MiB at the limit of 200,000.
 */
export class Names {
  readonly #files = new Set<string>();
  readonly #folders = new Set<string>();
  readonly #defects = new Map<NameDefect, { first: string; count: number }>();
  #nestedDatabase: string | null = null;
  #onlyTypesAndStorage = true;

  add(name: EntryName, kind: Entry["kind"]): void {
    const { text, normal } = name;
    if (!name.safe) {
      this.#count("name_unsafe", text);
      return;
    }
    const twice = kind !== "folder" && this.#files.has(normal);
    if (!twice && isMisplaced(name)) this.#count("name_misplaced", text);
    if (kind === "special") this.#count("links", text);
    if (kind === "folder") {
      this.#folders.add(normal);
    } else {
      if (twice) this.#count("name_twice", text);
      this.#files.add(normal);
      if (normal.endsWith("/data.db")) this.#nestedDatabase ??= text;
      if (normal !== "types.d.ts" && !normal.startsWith("storage/")) this.#onlyTypesAndStorage = false;
    }
    for (let slash = normal.lastIndexOf("/"); slash > 0; slash = normal.lastIndexOf("/", slash - 1)) {
      const folder = normal.slice(0, slash);
      if (this.#folders.has(folder)) break;
      this.#folders.add(folder);
    }
  }

  /** What is wrong with the names, one finding per kind of defect. Call it once, after the last name. */
  findings(): Finding[] {
    for (const folder of this.#folders) if (this.#files.has(folder)) this.#count("name_conflict", folder);
    return [...this.#defects].map(([code, { first, count }]) =>
      finding(code, quotedName(first), count.toLocaleString("en")),
    );
  }

  /** What keeps the server from finding its database, given whether there is a file for it. */
  misplacedDatabase(hasDatabase: boolean): Finding | null {
    const folder = SERVER_FILES.find((file) => this.#folders.has(file));
    if (folder) return finding("database_not_file", quotedName(folder));
    if (hasDatabase) return null;
    if (this.#nestedDatabase !== null) return finding("database_in_folder", quotedName(this.#nestedDatabase));
    const bosbase = this.#files.has("types.d.ts") && this.#onlyTypesAndStorage;
    return finding(bosbase ? "no_database_bosbase" : "no_database");
  }

  #count(defect: NameDefect, name: string): void {
    const known = this.#defects.get(defect);
    if (known) known.count++;
    else this.#defects.set(defect, { first: name, count: 1 });
  }
}
