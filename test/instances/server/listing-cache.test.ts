import { expect, it } from "vitest";
import { ListingCache } from "../../../src/instances/server/listing-cache.ts";
import type { Listing, UpstreamResult } from "../../../src/upstream/backups-api.ts";

/** A cache whose lists end when the test says so, with the keys the test says. */
function controlled() {
  const pending: ((keys: string[]) => void)[] = [];
  const list = () =>
    new Promise<UpstreamResult<Listing>>((resolve) => {
      pending.push((keys) =>
        resolve({
          ok: true,
          value: { items: keys.map((key) => ({ key, size: 1, modified: "2026-11-28 00:00:00.000Z" })) } as Listing,
        }),
      );
    });
  const cache = new ListingCache(
    () => 0,
    list,
    () => {},
  );
  return { cache, pending };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

it("a file that a list under way does not show yet is looked for in one that begins now, once for all who ask", async () => {
  const { cache, pending } = controlled();
  const look = cache.look();
  const asked = [cache.find("new.zip"), cache.find("new.zip"), cache.find("gone.zip")];
  expect(pending).toHaveLength(1);
  pending[0]!([]);
  await look;
  await settled();
  expect(pending).toHaveLength(2);
  pending[1]!(["new.zip"]);
  const found = await Promise.all(asked);
  expect(found.map((each) => each.ok && each.value?.key)).toEqual(["new.zip", "new.zip", undefined]);
  expect(pending).toHaveLength(2);
});

it("a list that began with the question is not asked for twice", async () => {
  const { cache, pending } = controlled();
  const asked = cache.find("gone.zip");
  pending[0]!([]);
  expect(await asked).toEqual({ ok: true, value: null });
  expect(pending).toHaveLength(1);
});
