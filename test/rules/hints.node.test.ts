import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { root } from "../../scripts/root.ts";
import { settingNames } from "../../scripts/workerd-config.ts";
import { scopes } from "../../src/access/scope.ts";
import { type ProblemCode, problems } from "../../src/base/problems.ts";

const files = globSync("src/**/*.ts", { cwd: root }).map((path) => readFileSync(join(root, path), "utf8"));
const source = files.join("\n");
const literal = /(?:hint: |_HINT =\s|_YET =\s|UNADDRESSED =\s)\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|`([^`]*)`)/g;
/** What answers advise: the catalogue's hints and every other one in the source. */
const hints = [...source.matchAll(literal)].map(
  (found) => found[1] ?? found[2] ?? found[3]!.replace(/\$\{[^}]*\}/g, "…"),
);
const catalogue = Object.entries(problems) as [ProblemCode, { status: number; hint: string }][];
const found = (pattern: RegExp) => hints.flatMap((hint) => hint.match(pattern) ?? []);

/** The text of every call `problem("code", …)`, with the hint of the catalogue or one of its own. */
const calls = (code: string): string[] =>
  source
    .split(`problem("${code}"`)
    .slice(1)
    .map((rest) => {
      let depth = 1;
      let end = 0;
      while (depth > 0) depth += { "(": 1, ")": -1 }[rest[end++]!] ?? 0;
      return rest.slice(0, end);
    });

describe("a hint", () => {
  it("is found by this test", () => {
    for (const [, { hint }] of catalogue) expect(hints.map((each) => each.replaceAll('\\"', '"'))).toContain(hint);
    expect(hints.length).toBeGreaterThan(catalogue.length + 20);
  });

  it("names calls that there are, with their queries", () => {
    const routes = [...source.matchAll(/path: ["`](\/[^"`]+)["`]/g)].map(([, path]) =>
      path!.replace(/\$?\{\w+\}/g, "{}"),
    );
    for (const named of found(/\/(?:v1|api)\/[^\s;,:)"]*/g)) {
      const [path, query] = named.replace(/\.$/, "").split("?") as [string, string?];
      const route = path.replace(/\{\w+\}/g, "{}");
      const pattern = (each: string) => new RegExp(`^${each.replaceAll("{}", "[^/]+")}$`);
      if (!path.endsWith("/*"))
        expect([named, routes.some((each) => pattern(each).test(route))]).toEqual([named, true]);
      if (query) expect([named, source.includes(`${query.split("=")[0]}: `)]).toEqual([named, true]);
    }
  });

  it("names settings and scopes that there are", () => {
    for (const name of found(/\b[A-Z]{2,}(?:_[A-Z]+)+\b/g)) expect(settingNames).toContain(name);
    for (const scope of found(/\b(?:backups|events|keys|operations|webhooks|audit):[a-z-]+/g))
      expect(scopes).toContain(scope);
  });

  it("names fields that an answer or a request has", () => {
    const bare = hints.reduce((text, hint) => text.replaceAll(hint, ""), source);
    for (const field of found(/\b[a-z]+(?:[A-Z][a-z]+)+\b/g))
      expect([field, new RegExp(`\\b${field}["?]?:|[{,] ${field}\\b`).test(bare)]).toEqual([field, true]);
  });

  it("speaks of data, Location and Retry-After only where the answer has them", () => {
    const promises: [RegExp, (call: string, status: number) => boolean][] = [
      [/\bdata\b(?=\.|:| for)/, (call) => /\bdata\b/.test(call)],
      [/\bLocation\b/, (call) => /\blocation\b/.test(call)],
      [/\bRetry-After\b/, (call, status) => status === 429 || status === 503 || call.includes("retryAfterSeconds")],
    ];
    for (const [code, { status, hint }] of catalogue)
      for (const [promise, kept] of promises)
        if (promise.test(hint))
          for (const call of calls(code))
            if (!/\bhint\b/.test(call)) expect([code, call, kept(call, status)]).toEqual([code, call, true]);
  });
});
