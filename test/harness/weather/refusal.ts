import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { root } from "../../../scripts/root.ts";
import { type ProblemCode, problems } from "../../../src/base/problems.ts";
import type { Front, Outcome } from "./front.ts";

const explained = new Set(
  [...readFileSync(join(root, "docs/errors.md"), "utf8").matchAll(/^## (\w+)$/gm)].map(([, code]) => code),
);

/** What only a server or a proxy writes: paths, addresses, pages, S3's words. */
const raw = /<html|<center|8f0000000000|\/srv\/|dial tcp|raw error|connection refused|127\.0\.0\.1:1\/|moved-to/i;

/** Nothing of the server's own text, and none of its secrets, in what a caller got. */
export function expectNothingRaw({ server }: Front, outcome: Outcome): void {
  const seen = `${[...outcome.headers].flat().join("\n")}\n${outcome.text}`;
  expect(seen).not.toMatch(raw);
  for (const secret of server.fake.secrets) expect(seen).not.toContain(secret);
}

/** The refusal as the catalogue has it, with its hint, explained in the docs, and nothing else in it. */
export function expectRefusal(front: Front, outcome: Outcome, code: ProblemCode): void {
  expect(outcome).toMatchObject({ status: problems[code].status, code });
  expect(outcome.hint).toBeTruthy();
  expect(explained).toContain(code);
  const { status } = outcome;
  if (status === 503 || status === 429) expect(Number(outcome.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(outcome.headers.get("content-type")).toBe("application/json");
  expect(JSON.parse(outcome.text)).toMatchObject({ status, requestId: outcome.headers.get("x-request-id") });
  expectNothingRaw(front, outcome);
}
