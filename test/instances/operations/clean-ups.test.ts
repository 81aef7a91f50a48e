import { expect, it } from "vitest";
import { CleanUps } from "../../../src/instances/operations/clean-ups.ts";

it("an object that wakes waits for the server's next list, and tries once after each", () => {
  const observer = { lookedAt: 1_000 };
  const operations = { rows: { busy: false }, leftToCleanUp: () => [{}], cleanUp: async () => undefined };
  const server = { connect: async () => ({ ok: false }) };
  const cleanUps = new CleanUps({ operations, observer, server, detach: () => undefined } as never);
  expect(cleanUps.due()).toBe(Number.POSITIVE_INFINITY);
  observer.lookedAt = 2_000;
  expect(cleanUps.due()).toBe(0);
  cleanUps.run(2_500);
  expect(cleanUps.due()).toBe(Number.POSITIVE_INFINITY);
});
