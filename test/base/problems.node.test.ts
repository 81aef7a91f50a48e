import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { root } from "../../scripts/root.ts";
import { type ProblemCode, problems } from "../../src/base/problems.ts";

const codes = Object.keys(problems) as ProblemCode[];

/** One entry: heading, status and when it comes, what to do, whether to ask again. Each is one line. */
const entry = /^## (\w+)\n\n\*\*(\d{3})\.\*\* (\S.+)\n\n(\S.+)\n\nRetry: (no|yes|look first)\.\n$/;

const [preface, ...entries] = readFileSync(join(root, "docs/errors.md"), "utf8").split(/\n(?=## )/);
const explained = entries.map((text) => entry.exec(text)?.slice(1) ?? [text.split("\n")[0]!]);

describe("every problem", () => {
  it("has its code once, in one domain's file", async () => {
    const folder = join(root, "src/base/problems");
    const declared: string[] = [];
    for (const file of readdirSync(folder).filter((name) => name !== "catalogue.ts")) {
      const module = (await import(join(folder, file))) as Record<string, object>;
      for (const catalogue of Object.values(module)) declared.push(...Object.keys(catalogue));
    }
    expect(declared.sort()).toEqual([...codes].sort());
  });

  it("has a message and a hint that are sentences", () => {
    for (const code of codes) {
      const { status, message, hint } = problems[code];
      expect([code, status >= 400 && status < 600]).toEqual([code, true]);
      expect([code, /^[A-Z].*[.?]$/.test(message), /^\S.*\.$/s.test(hint)]).toEqual([code, true, true]);
    }
  });

  it("is explained once in docs/errors.md, in the order of the alphabet and with the status it has", () => {
    expect(preface).toContain("# Errors");
    expect(explained.map(([code]) => code)).toEqual([...codes].sort());
    for (const [code, status] of explained)
      expect([code, Number(status)]).toEqual([code, problems[code as ProblemCode].status]);
  });

  it("that may have done what was asked is not told to be sent again unseen", () => {
    const retry = Object.fromEntries(explained.map(([code, , , , word]) => [code, word]));
    for (const code of codes)
      if (problems[code].status === 504) expect([code, retry[code]]).toEqual([code, "look first"]);
    for (const code of codes) if (problems[code].status === 429) expect([code, retry[code]]).toEqual([code, "yes"]);
  });
});
