import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkPatterns, MAX_PATTERN_LENGTH, matcher } from "../../src/access/pattern.ts";

const admits = (pattern: string, name: string) => matcher([pattern])(name);

/** The meaning of a glob, written for clearness and not for speed. */
function means(pattern: string[], name: string[]): boolean {
  const [head, ...rest] = pattern;
  if (head === undefined) return name.length === 0;
  if (head === "*") return means(rest, name) || (name.length > 0 && means(pattern, name.slice(1)));
  return name.length > 0 && (head === "?" || head === name[0]) && means(rest, name.slice(1));
}

/** How many characters are read from names while `work` runs. */
function reads(work: () => void): number {
  const original = String.prototype[Symbol.iterator];
  let count = 0;
  String.prototype[Symbol.iterator] = function (this: string) {
    const iterator = original.call(this);
    const next = iterator.next.bind(iterator);
    iterator.next = () => {
      count++;
      return next();
    };
    return iterator;
  };
  try {
    work();
  } finally {
    String.prototype[Symbol.iterator] = original;
  }
  return count;
}

describe("patterns", () => {
  it("know * and ?, and take every other character for itself", () => {
    for (const [pattern, name, expected] of [
      ["*", "", true],
      ["**", "anything at all", true],
      ["nightly-*.zip", "nightly-2026.zip", true],
      ["nightly-*.zip", "nightly-.zip", true],
      ["nightly-*.zip", "weekly-nightly-1.zip", false],
      ["nightly-*.zip", "nightly-1.zip.tmp", false],
      ["@auto_pb_backup_*", "@auto_pb_backup_acme_20261122100000.zip", true],
      ["a?c.zip", "abc.zip", true],
      ["a?c.zip", "ac.zip", false],
      ["?", "日", true],
      ["?", "😀", true],
      ["??", "😀", false],
      ["x.zip", "X.zip", false],
      ["x.zip", "xyzip", false],
      ["[ab].zip", "a.zip", false],
      ["[ab]*", "[ab].zip", true],
      ["{a,b}\\*", "{a,b}\\star", true],
      ["é", "e\u0301", false],
    ] as const) {
      expect([pattern, name, admits(pattern, name)]).toEqual([pattern, name, expected]);
    }
    expect(matcher(["a*", "*b"])("xb")).toBe(true);
    expect(matcher([])("x")).toBe(false);
  });

  it("mean the same as a plain reading of them", () => {
    const text = (unit: string[]) => fc.array(fc.constantFrom(...unit), { maxLength: 9 });
    fc.assert(
      fc.property(text(["a", "b", "*", "?"]), text(["a", "b"]), (pattern, name) => {
        expect(admits(pattern.join(""), name.join(""))).toBe(means(pattern, name));
      }),
      { numRuns: 2000 },
    );
  });

  it("longer than a machine word mean the same", () => {
    for (const length of [31, 32, 33, 63, 64, 65, 95, 96, 159]) {
      const name = "abcdefghij".repeat(16).slice(0, length);
      expect(admits(`${name.slice(0, -1)}?`, name)).toBe(true);
      expect(admits(`*${name}`, `xx${name}`)).toBe(true);
      expect(admits(`${name}*`, name)).toBe(true);
      expect(admits(`*${name}`, `${name}x`)).toBe(false);
      expect(admits(`?${name.slice(1)}`, name.slice(1))).toBe(false);
    }
  });

  it("read every character of a name once, however the pattern tries to make them go back", () => {
    const name = "a".repeat(1024);
    for (const pattern of [`${"*a".repeat(79)}b`, `${"*a?".repeat(50)}b`, `*${"a".repeat(150)}b`, "?*".repeat(80)]) {
      const compiled = matcher([pattern]);
      expect(reads(() => compiled(name))).toBe(1025);
      expect(reads(() => compiled(name + name))).toBe(2049);
    }
  });
});

describe("a list of patterns", () => {
  const codeOf = (patterns: string[]) => {
    const checked = checkPatterns(patterns);
    return checked.ok ? "ok" : checked.error.data?.patterns?.code;
  };

  it("holds 1 to 20 globs", () => {
    expect(checkPatterns(["*", "x.zip"])).toEqual({ ok: true, value: ["*", "x.zip"] });
    expect(codeOf(Array(20).fill("*"))).toBe("ok");
    expect(codeOf([])).toBe("validation_length_out_of_range");
    expect(codeOf(Array(21).fill("*"))).toBe("validation_length_out_of_range");
  });

  it("refuses empty, over-long and unprintable ones", () => {
    expect(codeOf([""])).toBe("validation_length_out_of_range");
    expect(codeOf(["日".repeat(MAX_PATTERN_LENGTH)])).toBe("ok");
    expect(codeOf(["x".repeat(MAX_PATTERN_LENGTH + 1)])).toBe("validation_length_out_of_range");
    for (const bad of ["a\u0000", "a\nb", "\u007f", "\u0085", "\ud800"]) {
      expect(codeOf(["*", bad])).toBe("validation_match_invalid");
    }
  });
});
