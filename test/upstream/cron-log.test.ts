import { expect, it } from "vitest";
import { createFailureOf } from "../../src/upstream/cron-log.ts";

const row = (status: number, details: string) => ({ data: { status, details } });

it("why a create failed is read from the newest that was answered 400, not from another's refusal", () => {
  const own = row(400, "write pb_data/backups/a.zip: no space left on device");
  const alone = createFailureOf({ items: [own] });
  expect(alone).toMatchObject({ message: expect.stringMatching(/\S/) });
  expect(createFailureOf({ items: [row(401, "missing token"), row(403, "not a superuser"), own] })).toEqual(alone);
  expect(createFailureOf({ items: [row(401, "missing token")] })).toBeNull();
  expect(createFailureOf({ items: [] })).toBeNull();
  expect(createFailureOf({})).toBeUndefined();
});
