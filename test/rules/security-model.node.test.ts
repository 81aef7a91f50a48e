import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { root } from "../../scripts/root.ts";

const read = (path: string) => readFileSync(join(root, path), "utf8");
const row = /^\| (\d+) \| .+ \| `([^`]+)` \| `([^`]+)` "(.+)" \|$/gm;
const rules = [...read("docs/security-model.md").matchAll(row)].map(([, number, home, test, title]) => ({
  number: Number(number),
  home: home!,
  test: test!,
  title: title!,
}));
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at);

it("the security model has every rule that is built once, with a home and a test that are there", () => {
  expect(rules.map(({ number }) => number)).toEqual([...range(1, 31), ...range(34, 42), 45]);
  expect(rules.filter(({ home }) => !existsSync(join(root, home)))).toEqual([]);
  const isThere = ({ test, title }: { test: string; title: string }) => {
    const quoted = title.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return existsSync(join(root, test)) && new RegExp(`\\b(it|describe)(\\.\\w+)*\\(\\s*"${quoted}"`).test(read(test));
  };
  expect(rules.filter((rule) => !isThere(rule))).toEqual([]);
});

it("every rule that the code names by its number stands in the security model", () => {
  const built = rules.map(({ number }) => number);
  const named = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .flatMap((path) =>
      [...read(join("src", path)).matchAll(/SECURITY ((?:\d+(?:, )?)+)/g)].flatMap(([, numbers]) =>
        numbers!.split(", ").map((number) => [path, Number(number)] as const),
      ),
    );
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter(([, number]) => !built.includes(number))).toEqual([]);
});
