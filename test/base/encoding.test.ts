import { expect, it } from "vitest";
import { base64url, fromBase64, fromBase64url, fromHex, hex, utf8 } from "../../src/base/encoding.ts";

it("codes bytes and refuses what is not a coding", () => {
  const bytes = Uint8Array.of(0xff, 0xef, 0x00);
  expect(hex(bytes)).toBe("ffef00");
  expect(base64url(bytes)).toBe("_-8A");
  expect(fromHex("ffef00")).toEqual(bytes);
  expect(fromBase64url("_-8A")).toEqual(bytes);
  expect(fromBase64("/+8A")).toEqual(bytes);
  for (const bad of ["zz", "f"]) expect(fromHex(bad)).toBeNull();
  expect(fromBase64("a b=")).toBeNull();
  expect(fromBase64url("a+b")).toBeNull();
  expect(utf8("é")).toEqual(Uint8Array.of(0xc3, 0xa9));
});
