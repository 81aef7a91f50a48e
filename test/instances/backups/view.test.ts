import { expect, it } from "vitest";
import { pageOf } from "../../../src/instances/backups/view.ts";

it("pages that end between two entries of one key show each entry once and come to an end", () => {
  const all = [1, 2, 3].flatMap((size) =>
    ["a.zip", "b.zip"].map((key) => ({ key, size, modified: `2026-11-0${size} 00:00:00.000Z` })),
  );
  for (const sort of ["key", "-modified"] as const) {
    const shown: string[] = [];
    let cursor: string | null = null;
    for (let pages = 0; pages < 10; pages++) {
      const page = pageOf(all, { limit: 1, cursor, sort });
      shown.push(...page.items.map(({ key, size }) => `${key} ${size}`));
      cursor = page.nextCursor;
      if (cursor === null) break;
    }
    expect(shown.length).toBe(6);
    expect(new Set(shown).size).toBe(6);
  }
});
