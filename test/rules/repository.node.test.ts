import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { root } from "../../scripts/root.ts";

/** Rules of the project that no compiler keeps. Each test answers with the places that break its rule. */

const read = (path: string) => readFileSync(join(root, path), "utf8");
const under = (folder: string): string[] =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    : [];
const topLevel = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isFile() && !/^\.git$|\.log$/.test(entry.name))
  .map((entry) => entry.name);
const all = [...["src", "test", "scripts", "bench", "docs", ".ci"].flatMap(under), ...topLevel];
const code = all.filter((path) => /\.(ts|mts|mjs)$/.test(path));
const source = under("src").filter((path) => path.endsWith(".ts"));

const breaking = (paths: string[], rule: RegExp): string[] =>
  paths.flatMap((path) =>
    read(path)
      .split("\n")
      .flatMap((line, index) => (rule.test(line) ? [`${path}:${index + 1}: ${line.trim().slice(0, 100)}`] : [])),
  );

/** The first folder under src, or the file itself at its top: `access`, `app.ts`. */
const partOf = (path: string) => relative("src", path).split("/")[0]!;

type Import = { from: string; to: string };

/** Every static import, type-only ones too: a type's home is a dependency like any other. */
const imports: Import[] = source.flatMap((from) =>
  [
    ...read(from).matchAll(
      /^\s*(?:import|export)\b[^;"]*?from\s+"([^"]+)"|^\s*import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gms,
    ),
  ].map((match) => {
    const specifier = (match[1] ?? match[2] ?? match[3])!;
    const local = specifier.startsWith(".");
    return { from, to: local ? relative(root, resolve(root, dirname(from), specifier)) : specifier };
  }),
);
const wrong = (refuse: (one: Import) => boolean) =>
  imports.filter(refuse).map(({ from, to }) => `${from} imports ${to}`);
const ours = (to: string) => to.startsWith("src/") || to === "package.json";
const within = (to: string, parts: readonly string[]) => ours(to) && parts.includes(partOf(to));

/** Pure decisions: no web framework, no platform, no clock, no network of their own. */
const domain = ["access", "archive", "ledger", "observing", "operations", "transfers", "upstream", "webhooks"];
const inDomain = ({ from }: { from: string }) => domain.includes(partOf(from));
/** From the top down. An import leads to the same floor or to one below, never back up. */
const floors = [
  ["index.ts"],
  ["app.ts"],
  ["api", "v1"],
  ["edge"],
  ["directory"],
  ["instances"],
  ["endpoints"],
  ["storage"],
  ["bindings.ts", "version.ts"],
  ["settings.ts"],
  domain,
  ["http"],
  ["base"],
];
const floorOf = (path: string) => floors.findIndex((floor) => floor.includes(partOf(path)));

/** For each node that can reach itself: it and all the others of its cycle. */
function cyclesOf(edges: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const reach = (from: string) => {
    const seen = new Set<string>();
    const todo = [...(edges.get(from) ?? [])];
    for (let next = todo.pop(); next !== undefined; next = todo.pop())
      if (!seen.has(next)) {
        seen.add(next);
        todo.push(...(edges.get(next) ?? []));
      }
    return seen;
  };
  const reached = new Map([...edges.keys()].map((from) => [from, reach(from)]));
  return [...edges.keys()]
    .filter((from) => reached.get(from)!.has(from))
    .map((from) => [...reached.get(from)!].filter((to) => reached.get(to)?.has(from)).sort());
}

function edgesBetween(nodeOf: (path: string) => string): Map<string, Set<string>> {
  const edges = new Map<string, Set<string>>();
  for (const { from, to } of imports) {
    if (!to.startsWith("src/") || nodeOf(from) === nodeOf(to)) continue;
    edges.set(nodeOf(from), (edges.get(nodeOf(from)) ?? new Set()).add(nodeOf(to)));
  }
  return edges;
}

describe("the house", () => {
  it("has no cycle of files, type imports included", () => {
    expect(cyclesOf(edgesBetween((path) => path))).toEqual([]);
  });
  it("has no cycle of folders", () => {
    expect(cyclesOf(edgesBetween(partOf))).toEqual([]);
  });
  it("has every file on a floor, and no import that leads back up", () => {
    expect(source.filter((path) => floorOf(path) < 0)).toEqual([]);
    const up = ({ from, to }: Import) => to.startsWith("src/") && floorOf(to) < floorOf(from);
    expect(wrong(up)).toEqual([]);
  });
  it("stands in docs/design.md, a line for each folder and for nothing else", () => {
    const documented = [...read("docs/design.md").matchAll(/^\| `src\/([a-z0-9]+)` \|/gm)].map(([, folder]) => folder!);
    const there = new Set(source.filter((path) => path.split("/").length > 2).map(partOf));
    expect(documented.toSorted()).toEqual([...there].toSorted());
  });
  it("has every file that the README and the docs name", () => {
    const pages = ["README.md", ...under("docs").filter((path) => path.endsWith(".md"))];
    const missing = pages.flatMap((page) =>
      [...read(page).matchAll(/`((?:src|test|scripts|bench|docs|pb_hooks)\/[\w./-]+\.\w+)`/g)]
        .filter(([, path]) => !existsSync(join(root, path!)))
        .map(([, path]) => `${page}: ${path}`),
    );
    expect(missing).toEqual([]);
  });
});

describe("dependencies point one way", () => {
  it("sees the imports at all", () => {
    expect(imports.length).toBeGreaterThan(200);
    expect(imports.some(({ to }) => to === "hono" || to.startsWith("hono/"))).toBe(true);
  });
  it("base knows nothing of ours but base", () => {
    expect(wrong(({ from, to }) => partOf(from) === "base" && ours(to) && partOf(to) !== "base")).toEqual([]);
  });
  it("the domain knows base and the domain", () => {
    expect(wrong((one) => inDomain(one) && ours(one.to) && !within(one.to, ["base", "http", ...domain]))).toEqual([]);
  });
  it("the domain and the verbs know neither the web framework nor the platform", () => {
    const pure = (one: Import) => inDomain(one) || partOf(one.from) === "base";
    expect(wrong((one) => pure(one) && /^(hono|@hono|cloudflare:)/.test(one.to))).toEqual([]);
  });
  it("the objects do not know the web framework", () => {
    const objects = ["directory", "instances", "endpoints", "storage"];
    expect(wrong(({ from, to }) => objects.includes(partOf(from)) && /^(hono|@hono)/.test(to))).toEqual([]);
  });
  it("a surface sends commands by the client of its route alone", () => {
    const surfaces = source.filter((path) => ["api", "v1"].includes(partOf(path)));
    const senders = surfaces.filter((path) => /\b(perform|instanceClient)\b/.test(read(path)));
    expect(senders.toSorted()).toEqual(["src/api/route.ts", "src/v1/route.ts"]);
  });
  it("only the entry knows the app, and nobody the entry", () => {
    expect(wrong(({ from, to }) => to === "src/app.ts" && from !== "src/index.ts")).toEqual([]);
    expect(wrong(({ to }) => to === "src/index.ts")).toEqual([]);
  });
});

describe("what is passed in is not taken from the air", () => {
  /** Without comments and without declarations of a method called fetch. */
  const uncommented = (path: string) =>
    read(path)
      .replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "")
      .replace(/\bfetch\([\w, :]*\)\s*[:{]/g, "");
  const callsFetch = /(?<![.\w])fetch\(/;

  it("the domain calls only a fetch it was handed", () => {
    const handed = /[{(,]\s*fetch\s*[:,})]|\bfetch\??:/;
    const free = source.filter(
      (from) => inDomain({ from }) && callsFetch.test(uncommented(from)) && !handed.test(uncommented(from)),
    );
    expect(free).toEqual([]);
    expect(breaking(source, /globalThis\.fetch/)).toEqual([]);
  });
  it("everything else hands the global fetch over and never calls it", () => {
    const others = source.filter((from) => !domain.includes(partOf(from)));
    const calls = others.filter((from) =>
      callsFetch.test(uncommented(from).replaceAll("fetch: (input, init) => fetch(input, init)", "")),
    );
    expect(calls).toEqual([]);
  });
  it("the clock and chance have one home each", () => {
    const homes = ["src/base/clock.ts", "src/base/random.ts"];
    const found = source.filter(
      (path) =>
        !homes.includes(path) &&
        /\bDate\.now\(|new Date\(\)|Math\.random\(|crypto\.(getRandomValues|randomUUID)/.test(uncommented(path)),
    );
    expect(found).toEqual([]);
  });
  it("the domain never reads the system's clock or chance by itself", () => {
    const found = imports.filter((one) => inDomain(one) && /base\/(clock|random)\.ts$/.test(one.to));
    const values = found.filter(({ from }) => /\b(systemClock|secureRandom)\b/.test(uncommented(from)));
    expect(values.map(({ from }) => from)).toEqual([]);
  });
});

describe("files", () => {
  /** A table with a row for every problem code; splitting it would only hide rows. */
  const tables = ["src/base/problems.ts"];

  it("under src have at most 300 lines", () => {
    const long = source.filter((path) => !tables.includes(path) && read(path).split("\n").length > 301);
    expect(long).toEqual([]);
  });
  it("are named by what they are about", () => {
    expect(
      all.filter((path) => /(^|\/)(utils?|helpers?|common|misc|shared|lib|index)(\/|\.[a-z]+$)/.test(path)),
    ).toEqual(["src/index.ts"]);
  });
  it("under test stand in the folders of src, in the suites of the whole, or in test/harness", () => {
    const suites = ["bench", "conformance", "hooks", "old-data", "rules", "scripts", "security", "slow", "weather"];
    const places = new Set([...source.map(dirname).map((folder) => relative("src", folder)), "harness"]);
    const folderOf = (path: string) => relative("test", dirname(path));
    const tests = under("test").filter((path) => /\.test\.ts$/.test(path) && !suites.includes(folderOf(path)));
    expect(tests.filter((path) => !places.has(folderOf(path)))).toEqual([]);
  });
  it("that tests share stand in test/harness, but for contracts, vectors and what made a fixture", () => {
    const shared = under("test").filter((path) => path.endsWith(".ts") && !/\.(test|slow|d)\.ts$/.test(path));
    expect(shared.filter((path) => !path.startsWith("test/harness/")).sort()).toEqual([
      "test/conformance/answers.ts",
      "test/old-data/make.ts",
      "test/slow/vitest.config.ts",
      "test/upstream/contract.ts",
      "test/webhooks/spellings.ts",
    ]);
  });
  it("hold no test that is left out", () => {
    const left = new RegExp(`\\b(it|test|describe)\\.(${["skip", "todo", "only", "fails"].join("|")})\\b`);
    expect(
      breaking(
        code.filter((path) => path.startsWith("test/")),
        left,
      ),
    ).toEqual([]);
  });
  it("hold no note about work left for later", () => {
    const notes = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "X" + "XX"].join("|")})\\b`);
    expect(breaking(code, notes)).toEqual([]);
  });
});

describe("what a clone must not carry", () => {
  it("the lock file names no registry and keeps every integrity", () => {
    const lock = JSON.parse(read("package-lock.json")) as {
      packages: Record<string, { resolved?: string; integrity?: string }>;
    };
    const packages = Object.entries(lock.packages).filter(([path]) => path !== "");
    expect(packages.filter(([, entry]) => entry.resolved).map(([path]) => path)).toEqual([]);
    expect(packages.filter(([, entry]) => !entry.integrity).map(([path]) => path)).toEqual([]);
  });
  it("no path of somebody's machine", () => {
    const machine = new RegExp(
      `(^|["'\`\\s(=:])/(${["work", "root", "home/[a-z]", "Users/[A-Za-z]", "farm"].join("|")})/`,
    );
    expect(
      breaking(
        all.filter((path) => path !== "package-lock.json"),
        machine,
      ),
    ).toEqual([]);
  });
  it("no API key but the published vectors", () => {
    const keys = (path: string): string[] => read(path).match(new RegExp(`${"brk"}_[0-9A-Za-z]{62}`, "g")) ?? [];
    const published = all.filter((path) => /vectors\.json$/.test(path)).flatMap(keys);
    expect(published.length).toBeGreaterThan(0);
    expect(all.filter((path) => keys(path).some((key) => !published.includes(key)))).toEqual([]);
  });
  it("no example with a value where a secret belongs", () => {
    const examples = all.filter((path) => /\.example$/.test(path));
    expect(
      breaking(examples, /^\s*(ADMIN_TOKEN|ENCRYPTION_KEY|POCKETBASE_(TOKEN|PASSWORD))\s*=\s*["']?[^"'\s#]/),
    ).toEqual([]);
  });
});

it("every command of package.json stands in a file that is there", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  const files = Object.values(scripts).flatMap((line) => line.split(" ").filter((word) => /\.(mjs|ts)$/.test(word)));
  expect(files.length).toBeGreaterThan(5);
  expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
});
